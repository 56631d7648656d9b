"""The champion as a trial meets it: where it answers, until when, and what is left of it once it is gone."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data_contracts.candidate import Candidate, Decoding
from data_contracts.contest import Comparison, Verdict
from data_contracts.provider import ProviderSettings
from tasks import workspace
from tasks.ledger import Ledger
from tasks.providers.embedded import Embedded
from tasks.providers.protocol import ModelInfo
from tasks.steps import conclusion, contest, judgement
from tasks.steps.champion import is_gone, last_day, located, meet
from tasks.workspace import Edge, Workspace, edge_of
from tests.fake_clock import FakeClock
from tests.stepwise import forget, unseen

DAY = "2026-12-24"
BEFORE = 1_796_000_000.0  # 2026-11-30, 24 days earlier
ELSEWHERE = ProviderSettings(name="openai", base_url="https://elsewhere.example/v1", project="old")


class Announcing(Embedded):
    """A provider that announces the last day of whatever is named like `leaving`, and lists nothing in `gone`."""

    day: str | None = DAY
    leaving = "ft:"
    gone: Sequence[str] = ()

    def models(self) -> Sequence[ModelInfo]:
        listed = [info for info in super().models() if info.id not in self.gone]
        leaving = [info.id for info in listed if info.id.startswith(self.leaving)]
        return [replace(info, shutdown_date=self.day) if info.id in leaving else info for info in listed]


@pytest.fixture
def champion(copy: Workspace) -> Candidate:
    """The tune of the finished trial, with another prompt than it is tried with now."""
    tune = next(one for one in contest.candidates(copy, None) if one.kind == "tune")
    prompt = tune.prompt.model_copy(update={"role": "You were champion."})
    return tune.model_copy(update={"name": "champion", "prompt": prompt})


@pytest.fixture
def edge(copy: Workspace, own_home: Path) -> Edge:
    provider = Announcing(copy.case.use_case.provider, own_home / "provider")
    return Edge(provider, Ledger(clock=FakeClock(BEFORE)))


def rejudged(space: Workspace, edge: Edge, champion: Candidate) -> tuple[Verdict, Comparison]:
    forget(space, "candidates.json", "answers.parquet", "comparison.json", "verdict.json")
    again = workspace.reopen(space.folder.run)
    contest.evaluate(again, edge, champion, unseen)
    found = judgement.judge(again)
    return found.verdict, found.comparison


# ---------------------------------------------------------------- where it answers


@pytest.mark.parametrize(
    "changed", [{}, {"max_concurrency": 3}, {"request_timeout_s": 9.0}], ids=["the same", "pace", "patience"]
)
def test_a_champion_answers_under_the_name_that_it_had_while_the_place_is_the_same(
    copy: Workspace, champion: Candidate, changed: dict[str, Any]
) -> None:
    recorded = copy.case.use_case.provider.model_copy(update=changed)
    found = located(copy, champion, 1, recorded)
    assert (found.candidate, found.settings) == (champion, None)


def test_a_place_that_moved_to_the_endpoints_is_asked_under_its_new_name(copy: Workspace, champion: Candidate) -> None:
    space = copy.knowing("former", ELSEWHERE)
    found = located(space, champion, 1, ELSEWHERE.model_copy(update={"max_concurrency": 2}))
    assert (found.candidate.endpoint, found.settings) == ("former", None)


def test_a_place_that_the_use_case_names_no_more_is_asked_as_the_record_has_it(
    copy: Workspace, champion: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-former")
    found = located(copy, champion, 3, ELSEWHERE)
    assert found.settings == ELSEWHERE
    copy.keep_champion(found)
    asked = edge_of(workspace.reopen(copy.folder.run)).at(found.candidate.endpoint)
    assert (asked.base_url, asked.account) == (ELSEWHERE.base_url, ELSEWHERE.project)
    assert copy.case.use_case.provider_at(found.candidate.endpoint) == ELSEWHERE
    assert copy.champion == found


def test_the_own_endpoint_of_a_champion_takes_nobodys_name(copy: Workspace, champion: Candidate) -> None:
    taken = located(copy, champion, 1, ELSEWHERE).candidate.endpoint
    space = copy.knowing(taken, copy.case.use_case.provider.model_copy(update={"project": "another"}))
    assert located(space, champion, 1, ELSEWHERE).candidate.endpoint not in ("", taken)


def test_the_same_model_at_another_place_is_another_contestant(copy: Workspace) -> None:
    best = contest.candidates(copy, None)[0]
    elsewhere = located(copy, best.model_copy(update={"name": "champion"}), 1, ELSEWHERE).candidate
    assert [one.name for one in contest.candidates(copy, elsewhere)][:2] == ["champion", "best-prompt"]


# ---------------------------------------------------------------- until when


@pytest.mark.parametrize(
    ("now", "state", "left"),
    [(BEFORE, "leaving", 24), (BEFORE - 60 * 86_400, "leaving", 84), (BEFORE - 70 * 86_400, "answers", 94)],
)
def test_a_champion_leaves_from_the_first_warning_day_on(
    copy: Workspace, champion: Candidate, edge: Edge, now: float, state: str, left: int
) -> None:
    then = replace(edge, ledger=Ledger(clock=FakeClock(now)))
    met = meet(champion, copy, then)
    assert (met.standing.state, met.standing.last_day, met.standing.days_left) == (state, DAY, left)
    assert met.candidate == champion


def test_without_an_announcement_it_simply_answers(copy: Workspace, champion: Candidate, edge: Edge) -> None:
    edge.provider.day = None
    met = meet(champion, copy, edge)
    assert (met.standing.state, met.standing.last_day) == ("answers", None)
    assert last_day(contest.candidates(copy, None)[0], copy, edge) is None


def test_one_that_is_listed_no_more_is_retired(copy: Workspace, champion: Candidate, edge: Edge) -> None:
    edge.provider.gone = [champion.model]
    assert is_gone(champion, edge)
    assert meet(champion, copy, edge).candidate is None


def test_a_champion_that_leaves_is_held_against_what_answers_longer_and_the_day_is_said(
    copy: Workspace, champion: Candidate, edge: Edge
) -> None:
    verdict, comparison = rejudged(copy, edge, champion)
    met = verdict.champion_standing
    assert met is not None
    assert (met.state, met.outlasted_by, comparison.reference) == ("leaving", ["best-prompt"], "champion")
    assert any(f"no longer answers from {DAY} on, in 24 days" in reason for reason in verdict.reasons)
    assert any(
        "best-prompt" in reason and "not shown to be as good as champion" in reason for reason in verdict.reasons
    )


def test_a_prompt_that_is_not_worse_takes_its_place(copy: Workspace, edge: Edge) -> None:
    edge.provider.leaving = "local-base-large"
    best = contest.candidates(copy, None)[0]
    changes = {"name": "champion", "model": "local-base-large", "base_model": "local-base-large"}
    prompt = best.prompt.model_copy(update={"decoding": Decoding(max_tokens=1)})  # it is cut off at every answer
    forget(copy, "tuned.json")
    verdict, _ = rejudged(copy, edge, best.model_copy(update={**changes, "prompt": prompt}))
    assert (verdict.decision, verdict.winner.name) == ("promote", "best-prompt")
    assert next(rule.passed for rule in verdict.rules if rule.name == "not worse than champion")


# ---------------------------------------------------------------- once it is gone


def test_a_retired_champion_takes_part_by_what_it_answered_before(
    copy: Workspace, champion: Candidate, edge: Edge, asked: Any
) -> None:
    alone, _ = rejudged(copy, edge, champion)
    assert alone.reference == "champion"
    edge.provider.gone = [champion.model]
    with asked() as calls:
        verdict, comparison = rejudged(copy, edge, champion)
    assert "chat.create" not in {call["call"] for call in calls}
    assert (comparison.reference, comparison.candidates[-1].candidate) == ("best-prompt", champion)
    informing = [test for test in comparison.tests if test.reference == "champion"]
    assert [test.candidate for test in informing] == [item.candidate.name for item in comparison.candidates[:-1]]
    assert all(test.informational for test in informing)
    assert verdict.winner.name != "champion"
    assert any("by its answers recorded by" in reason for reason in verdict.reasons)


def test_what_stands_beside_the_others_changes_none_of_their_figures(
    copy: Workspace, champion: Candidate, edge: Edge
) -> None:
    rejudged(copy, edge, champion)
    edge.provider.gone = [champion.model]
    _, beside = rejudged(copy, edge, champion)
    _, alone = rejudged(copy, edge, champion.model_copy(update={"model": "ft:never-asked"}))
    assert beside.candidates[:-1] == alone.candidates
    assert [test for test in beside.tests if not test.informational] == alone.tests
    assert beside.margins == alone.margins


def test_a_retired_champion_that_never_answered_these_cases_is_said_to_be_unknown(
    copy: Workspace, champion: Candidate, edge: Edge
) -> None:
    gone = champion.model_copy(update={"model": "ft:local-base-small:embedded::gone"})
    verdict, comparison = rejudged(copy, edge, gone)
    cases = len(copy.partitions.test)
    assert verdict.champion_standing is not None
    assert (verdict.champion_standing.state, verdict.champion_standing.unrecorded) == ("retired", cases)
    assert "champion" not in [item.candidate.name for item in comparison.candidates]
    assert any(f"{cases} test cases have no recorded answer of it" in reason for reason in verdict.reasons)


def test_the_record_of_such_a_trial_holds_the_recorded_answers_too(
    copy: Workspace, champion: Candidate, edge: Edge, finished: Any
) -> None:
    rejudged(copy, edge, champion)
    edge.provider.gone = [champion.model]
    _, comparison = rejudged(copy, edge, champion)
    forget(copy, "report.html")
    record = conclusion.report(copy, finished.ref.model_copy(update={"folder": str(copy.folder.path)}), edge)
    answered = set(record.answers["candidate"])
    assert answered == {item.candidate.name for item in comparison.candidates}


# ---------------------------------------------------------------- adopted


def test_an_adopted_champion_is_named_unknown_in_verdict_and_notes(
    copy: Workspace, champion: Candidate, edge: Edge
) -> None:
    adopted = champion.model_copy(update={"training_data": "unknown"})
    verdict, comparison = rejudged(copy, edge, adopted)
    says = "what it was trained on is unknown"
    assert any(says in reason for reason in verdict.reasons)
    assert any(says in note for note in comparison.notes)
