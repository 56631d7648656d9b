"""May a job be started, and how long do base models last: by announcement, by listing, by the clock."""

from datetime import UTC, date, datetime

import pytest

from data_contracts.provider import ProviderSettings
from tasks.providers.dialects import dialects
from tasks.providers.lifecycle import announced, announced_access, dated
from tasks.providers.openai_wire import OpenAIWire
from tasks.providers.protocol import ModelInfo, TrainingAccess
from tests.embedded import embedded_server
from tests.fake_clock import FakeClock

TODAY = date(2026, 11, 22)
MINI = "gpt-4.1-mini-2025-04-14"


def test_every_announcement_says_where_it_is_written_and_names_a_dialect():
    table = announced()
    for row in [*table.closed, *table.narrowed, *table.models]:
        assert row.source and row.as_of
        assert row.dialect in dialects()


@pytest.mark.parametrize(
    ("day", "open_", "reason"),
    [
        ("2026-11-22", None, "within 60 days"),
        ("2027-01-05", None, "within 60 days"),
        ("2027-01-06", False, "no new fine-tuning jobs from anybody"),
        ("2027-02-01", False, "no new fine-tuning jobs from anybody"),
    ],
)
def test_openai_closes_to_everyone_on_the_sixth_of_january_2027(day, open_, reason):
    found = announced_access("openai", MINI, date.fromisoformat(day))
    assert found and found.open is open_
    assert reason in found.reason
    assert "OpenAI deprecations page" in found.reason and "2026-11-22" in found.reason


def test_a_base_model_that_is_gone_takes_no_jobs_whoever_asks():
    found = announced_access("openai", "o4-mini", TODAY)
    assert found and found.open is False
    assert "2026-10-23" in found.reason


def test_foundry_trains_the_retired_models_for_those_who_did_before():
    found = announced_access("foundry", MINI, TODAY)
    assert found and found.open is None
    assert "only existing customers" in found.reason
    later = announced_access("foundry", MINI, date(2027, 4, 14))
    assert later and later.open is False


def test_of_others_nothing_is_announced():
    assert announced_access("nebius", "meta-llama/Llama-3.3-70B-Instruct", TODAY) is None


def test_a_listing_is_completed_by_the_announcements_and_never_overruled():
    listed = ModelInfo(MINI, 0, "openai", shutdown_date="2030-01-01")
    assert dated(listed, "openai").shutdown_date == "2030-01-01"
    silent = dated(ModelInfo(MINI, 0, "openai"), "openai")
    assert (silent.shutdown_date, silent.training_until, silent.tunable) == ("2027-01-14", "2027-01-06", True)
    assert dated(ModelInfo("gpt-99", 0, "openai"), "openai") == ModelInfo("gpt-99", 0, "openai")


@pytest.mark.parametrize(
    ("dialect", "tune", "until"),
    [("openai", f"ft:{MINI}:org::abc", "2027-01-14"), ("foundry", f"{MINI}.ft-0123-mine", "2027-10-14")],
)
def test_a_tune_lasts_as_its_vendor_says_and_is_no_base_to_tune(dialect, tune, until):
    found = dated(ModelInfo(tune, 0, "us"), dialect)
    assert (found.shutdown_date, found.tunable, found.training_until) == (until, False, None)


# ------------------------------------------------------------ asked over a socket

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    models = {"local-base-fixed-2026-06-01": {"tunable": False}}
    prices = {"local-base-fixed": dict.fromkeys(["input", "output", "training", "tuned_input", "tuned_output"], 1.0)}
    with embedded_server(tmp_path_factory.mktemp("access"), settings={"models": models, "prices": prices}) as running:
        yield running


def access(server, base_model: str, name: str = "openai") -> TrainingAccess:
    settings = ProviderSettings(name=name)
    return OpenAIWire(settings, server.url, "any", FakeClock(NOON), dialects()[name]).training_access(base_model)


def test_a_model_that_is_not_offered_cannot_be_trained(server):
    assert access(server, "local-base-none").open is False


def test_a_model_that_is_listed_as_tunable_or_not_is_taken_at_its_word(server):
    assert access(server, "local-base-small").open is True
    assert access(server, "local-base-fixed").open is False


def test_the_clock_that_is_handed_in_decides_and_not_the_machines(server):
    settings = ProviderSettings(name="openai")
    in_time = OpenAIWire(settings, server.url, "any", FakeClock(NOON))
    too_late = OpenAIWire(settings, server.url, "any", FakeClock(NOON + 50 * 86400))
    assert "no new fine-tuning jobs" not in in_time.training_access(MINI).reason
    assert "no new fine-tuning jobs" in too_late.training_access(MINI).reason
    assert too_late.training_access(MINI).open is False
