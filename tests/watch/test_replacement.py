"""The trial that answers a finding, and the one that follows it; a use case takes the settings of both."""

from pathlib import Path
from typing import Any

import pytest

from data_contracts.load import load
from data_contracts.prompting import ModelAt
from data_contracts.trial import TrialOptions
from data_contracts.use_case import UseCase
from tasks.providers.protocol import ModelInfo
from tasks.watch.replacement import Replacement, outlasts, outlives, wanted
from tests.small_use_case import small_use_case

NEW = ModelAt(model="local-base-small-2027-01-10")
ELSEWHERE = ModelAt(model="Qwen3-14B", endpoint="nebius")
ENDPOINTS = {"nebius": {"name": "nebius"}}


class Written:
    """A use case as it is written, and as a trial with other settings takes it."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.path = str(small_use_case(folder, **changes))

    def loaded(self, settings: dict[str, Any] | None = None) -> UseCase:
        return load(self.path, settings).use_case

    def options(self, *successors: ModelAt, tune: ModelAt | None = None) -> TrialOptions:
        plain = wanted(self.loaded(), Replacement(successors, tune), "it retires")
        assert plain is not None
        return TrialOptions.model_validate(plain)


def test_prompts_on_the_successor_come_first_and_nothing_is_trained(tmp_path: Path) -> None:
    written = Written(tmp_path)
    options = written.options(NEW, tune=NEW)
    assert (options.train, options.reason) == (False, "it retires")
    assert written.loaded(options.settings).prompts.base_models == [NEW.model]


def test_the_trial_that_follows_tunes_the_successor(tmp_path: Path) -> None:
    written = Written(tmp_path)
    second = written.loaded(written.options(NEW, tune=NEW).otherwise)
    assert (second.fine_tune.base_model, second.prompts.base_models) == (NEW.model, [NEW.model])
    assert second.provider == written.loaded().provider


def test_a_tune_elsewhere_makes_that_endpoint_the_provider_and_keeps_the_former_one_for_its_prompts(
    tmp_path: Path,
) -> None:
    judge = {"model": "local-base-large", "criteria": "True to the input."}
    written = Written(tmp_path, endpoints=ENDPOINTS, evaluation={"judge": judge})
    second = written.loaded(written.options(NEW, ELSEWHERE, tune=ELSEWHERE).otherwise)
    assert second.provider == second.endpoints["nebius"]
    assert second.fine_tune.base_model == ELSEWHERE.model
    asked = [(at.model, second.provider_at(at.endpoint).name) for at in second.prompts.models]
    assert asked == [(ELSEWHERE.model, "nebius"), (NEW.model, "embedded")]
    assert second.evaluation.judge is not None
    assert second.provider_at(second.evaluation.judge.endpoint).name == "embedded"


@pytest.mark.parametrize("changes", [{}, {"fine_tune": {"base_model": "local-base-small", "enabled": False}}])
def test_where_nothing_can_or_shall_be_tuned_no_second_trial_follows(tmp_path: Path, changes: dict[str, Any]) -> None:
    tune = NEW if changes else None
    assert Written(tmp_path, **changes).options(NEW, tune=tune).otherwise == {}


def test_without_leave_no_trial_is_wanted(tmp_path: Path) -> None:
    case = Written(tmp_path, watch={"start_trials": False}).loaded()
    assert wanted(case, Replacement((NEW,), NEW), "it retires") is None


def test_without_a_successor_no_trial_is_wanted_and_the_sentence_says_what_to_name(tmp_path: Path) -> None:
    assert wanted(Written(tmp_path).loaded(), Replacement(), "it retires") is None
    assert "watch.successors" in Replacement().sentence


def test_the_sentence_says_what_is_tried_in_its_order() -> None:
    assert Replacement((NEW, ELSEWHERE), ELSEWHERE).sentence == (
        "A prompt on local-base-small-2027-01-10 or Qwen3-14B at nebius may take its place, or else a tune of "
        "Qwen3-14B at nebius."
    )


@pytest.mark.parametrize(
    ("day", "lasts"), [("2027-01-14", False), ("2027-01-15", False), ("2027-02-13", False), ("2027-02-14", True)]
)
def test_a_successor_outlasts_what_it_replaces_by_more_than_the_first_warning(day: str, lasts: bool) -> None:
    listing = [ModelInfo(NEW.model, 0, "them", shutdown_date=day)]
    assert outlives(NEW, listing, "2027-01-14", [7, 30]) is lasts
    assert not outlives(ELSEWHERE, listing, "2027-01-14", [7, 30])


def test_a_model_without_a_last_day_outlasts_every_other_and_without_warnings_a_day_is_enough() -> None:
    assert outlasts(None, "2027-01-14", [30])
    assert outlasts("2027-01-15", "2027-01-14", [])
