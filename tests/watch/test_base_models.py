"""Every kind of finding, from what a provider listed before and lists now, on a day that the test names."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from data_contracts.candidate import Candidate, Prompt
from data_contracts.lifetimes import Finding, ModelFacts
from tasks.providers.aws.catalogue import _foundation_model
from tasks.providers.lifecycle import dated
from tasks.providers.protocol import ModelInfo, TrainingAccess
from tasks.watch.base_models import Listing, Training, Watched, facts, findings, registered_since, warning_day
from tasks.watch.canaries import Change

WARN_DAYS = [90, 30, 7, 1]
TODAY = date(2026, 11, 22)
CHECKED = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
BEFORE = CHECKED - 86_400
BASE = "gpt-4.1-mini-2025-04-14"
TUNE = f"ft:{BASE}:org::9aLGjEWM"


def tune(model: str = TUNE, base: str = BASE) -> Candidate:
    return Candidate(name="champion", kind="tune", model=model, base_model=base, prompt=Prompt(name="minimal"))


def prompt(model: str) -> Candidate:
    return Candidate(name="champion", kind="prompt", model=model, base_model=model, prompt=Prompt(name="names"))


def model(id_: str, **days: Any) -> ModelInfo:
    return ModelInfo(id_, days.pop("created", 0), "them", **days)


def now(candidate: Candidate, *models: ModelInfo, **more: Any) -> ModelFacts:
    return facts(candidate, Listing(models, **{"there": True} | more), CHECKED)


def found(seen: ModelFacts, today: date = TODAY, **more: Any) -> dict[str, Finding]:
    watched = Watched("mails", "openai", more.pop("first", seen), seen, **more)
    return {item.finding.kind: item.finding for item in findings(watched, today, WARN_DAYS)}


def keys(seen: ModelFacts, today: date) -> list[str]:
    return [item.key for item in findings(Watched("mails", "openai", seen, seen), today, WARN_DAYS)]


# ---------------------------------------------------------------- how long it lives


def test_a_model_of_which_nothing_is_announced_is_no_finding() -> None:
    assert found(now(prompt("m-2026-01-01"), model("m-2026-01-01"))) == {}


def test_a_last_day_is_told_with_the_days_that_are_left() -> None:
    finding = found(now(prompt("m-2026-01-01"), model("m-2026-01-01", shutdown_date="2027-01-14")))[
        "retirement-announced"
    ]
    assert (finding.deadline, finding.days_left) == ("2027-01-14", 53)
    assert finding.says == "m-2026-01-01 stops answering at openai on 2027-01-14, in 53 days."


def test_a_tune_of_a_vendor_without_days_in_its_listing_lives_as_long_as_was_announced() -> None:
    listing = [dated(model(id_), "openai") for id_ in (BASE, TUNE)]
    assert found(now(tune(), *listing))["retirement-announced"].deadline == "2027-01-14"


def test_a_tune_that_stands_in_no_listing_lives_as_long_as_its_vendor_announced_for_tunes() -> None:
    deployed = f"{BASE}.ft-0123abcd"
    seen = now(tune("a-deployment"), dated(model(BASE), "foundry"), announced=dated(model(deployed), "foundry"))
    assert seen.shutdown_date == "2027-10-14", "its base is gone since 2026-10-14, tunes of it are not"


def test_bedrocks_lifecycle_is_the_last_day_of_what_is_tuned_on_it_and_of_its_profiles() -> None:
    life = {"status": "LEGACY", "endOfLifeTime": datetime(2026, 12, 20, tzinfo=UTC)}
    id_ = "anthropic.claude-3-haiku-20240307-v1:0"
    base = _foundation_model({"modelId": id_, "modelLifecycle": life, "customizationsSupported": ["FINE_TUNING"]})
    assert found(now(tune("arn:aws:bedrock:eu-west-1::model/x", id_), base))["retirement-announced"].days_left == 28
    assert now(prompt(f"eu.{id_}"), base, model(f"eu.{id_}")).shutdown_date == "2026-12-20"


@pytest.mark.parametrize(
    ("left", "reached"),
    [(120, None), (91, None), (90, 90), (31, 90), (30, 30), (8, 30), (7, 7), (2, 7), (1, 1), (0, 1)],
)
def test_each_warning_day_is_reached_once(left: int, reached: int | None) -> None:
    assert warning_day(left, WARN_DAYS) == reached


def test_a_finding_is_told_under_another_key_as_soon_as_a_further_warning_day_is_reached() -> None:
    seen = now(prompt("m-2026-01-01"), model("m-2026-01-01", shutdown_date="2027-05-01"))
    days = [
        date(2026, 11, 22),
        date(2026, 11, 23),
        date(2027, 2, 1),
        date(2027, 4, 1),
        date(2027, 4, 24),
        date(2027, 4, 30),
    ]
    told = [keys(seen, day) for day in days]
    assert told[0] == told[1]
    assert len({str(key) for key in told}) == 5


def test_from_its_last_day_on_a_model_is_retired_whatever_is_listed() -> None:
    finding = found(now(prompt("m-2026-01-01"), model("m-2026-01-01", shutdown_date="2026-11-22")))["retired"]
    assert finding.days_left == 0


def test_a_model_that_is_listed_no_more_is_retired_and_its_last_day_remembered() -> None:
    finding = found(now(tune(), model(BASE), there=False), last_day="2026-11-20")["retired"]
    assert (finding.deadline, finding.days_left) == ("2026-11-20", -2)
    assert "2026-11-20" in finding.says


def test_what_a_listing_misses_once_is_not_retired_yet_and_its_last_day_stands() -> None:
    gone = now(tune(), model(BASE), there=False)
    assert found(gone, gone_since=CHECKED) == {}
    assert set(found(gone, gone_since=CHECKED, last_day="2027-01-14")) == {"retirement-announced"}


def test_what_is_gone_before_its_last_day_is_said_to_be() -> None:
    finding = found(now(tune(), model(BASE), there=False), gone_since=BEFORE, last_day="2027-01-14")["retired"]
    assert "is listed no more, though its last day is announced for 2027-01-14." in finding.says
    assert (finding.deadline, finding.days_left) == ("2026-11-22", 0)


def test_a_model_that_comes_back_and_goes_again_is_told_again_and_one_that_stays_away_is_not() -> None:
    gone = now(tune(), model(BASE), there=False)
    days, since = (TODAY, date(2026, 11, 30)), (BEFORE, BEFORE, BEFORE + 3_600)
    first, later, again = (
        [item.key for item in findings(Watched("mails", "openai", gone, gone, gone_since=one), day, WARN_DAYS)]
        for one, day in zip(since, (*days, days[0]), strict=True)
    )
    assert first == later != again


def test_of_a_retired_model_nothing_else_is_told() -> None:
    closed = Training(BASE, "openai", TrainingAccess(False, "closed"))
    more: dict[str, Any] = {"newer": ["x"], "gone_since": BEFORE}
    seen = now(tune(), there=False)
    assert set(found(seen, training=closed, change=Change("moved", "s"), **more)) == {"retired"}


# ---------------------------------------------------------------- what is new


def test_a_newer_dated_model_of_the_family_is_a_finding() -> None:
    finding = found(now(tune(), model(TUNE)), newer=["gpt-4.1-mini-2027-01-10"])["new-version"]
    assert finding.says == f"openai lists gpt-4.1-mini-2027-01-10, newer than {BASE} under the champion."


def test_what_could_have_been_chosen_when_the_champion_was_registered_is_none() -> None:
    base, old, late = model("m-2026-01-01"), model("m-2026-03-01", created=5), model("m-2026-09-01", created=50)
    listed = [base, old, late]
    assert registered_since(base, listed, known=[info.id for info in listed], since=10) == ["m-2026-09-01"]
    assert registered_since(base, listed, known=["m-2026-01-01", "m-2026-09-01"], since=100) == ["m-2026-03-01"]


def test_an_alias_that_leads_elsewhere_is_a_finding_and_explains_other_answers() -> None:
    first = now(prompt("m"), model("m"), model("m-2026-01-01"), answered_by="m-2026-01-01")
    moved = now(prompt("m"), model("m"), model("m-2026-06-01"), answered_by="m-2026-06-01")
    told = found(moved, first=first, change=Change("8 of 8 canary answers moved", "s"))
    assert list(told) == ["alias-moved"]
    assert told["alias-moved"].says == "m leads to m-2026-06-01 at openai; it led to m-2026-01-01 on 2026-11-22."


def test_an_alias_that_nobody_can_tell_the_way_of_today_has_not_moved() -> None:
    first = now(prompt("m"), model("m"), answered_by="m-2026-01-01")
    assert found(now(prompt("m"), model("m")), first=first) == {}


def test_an_alias_published_anew_is_a_finding_where_no_answer_tells_where_it_leads() -> None:
    first = now(prompt("m"), model("m", created=1_790_000_000))
    assert (
        "published anew" in found(now(prompt("m"), model("m", created=1_795_000_000)), first=first)["alias-moved"].says
    )


def test_a_server_that_stamps_its_list_when_it_is_asked_publishes_nothing_anew() -> None:
    """vLLM does: ModelCard.created is the time of the request."""
    first = now(prompt("m"), model("m", created=1_790_000_000))
    stamped = now(prompt("m"), model("m", created=int(CHECKED) - 1))
    assert stamped.created is None
    assert found(stamped, first=first) == {}


def test_a_tune_deployed_anew_under_its_name_is_no_alias() -> None:
    first = now(tune("mails"), model("mails", created=1_790_000_000), model(BASE))
    assert found(now(tune("mails"), model("mails", created=1_795_000_000), model(BASE)), first=first) == {}


# ---------------------------------------------------------------- training and answers


def test_training_that_is_closed_is_told_with_its_reason() -> None:
    access = TrainingAccess(False, "OpenAI takes no new fine-tuning jobs from anybody")
    finding = found(now(tune(), model(TUNE)), training=Training(BASE, "openai", access))["training-closed"]
    assert "no new fine-tuning jobs from anybody" in finding.says


@pytest.mark.parametrize(("until", "kinds"), [("2027-06-01", []), ("2027-01-06", ["training-closed"])])
def test_training_that_closes_is_told_from_the_first_warning_day_on(until: str, kinds: list[str]) -> None:
    training = Training(BASE, "openai", TrainingAccess(None, "only a job tells"), until)
    assert list(found(now(tune(), model(TUNE)), training=training)) == kinds


def test_a_silent_change_is_told_with_its_figures() -> None:
    finding = found(now(tune(), model(TUNE)), change=Change("3 of 8 canary answers moved", "s"))["silent-change"]
    assert finding.says.endswith("answers otherwise than on 2026-11-22: 3 of 8 canary answers moved.")


def test_the_soonest_deadline_comes_first() -> None:
    seen = now(prompt("m-2026-01-01"), model("m-2026-01-01", shutdown_date="2027-01-14"))
    assert list(found(seen, newer=["m-2026-09-01"])) == ["retirement-announced", "new-version"]
