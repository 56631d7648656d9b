"""An existing tune is taken in as champion: what is asked, paid, recorded and said, and what comes after it is gone."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from data_contracts.contest import Comparison, Verdict
from flows.adopting import Choices, adopt, show
from tasks import workspace
from tasks.errors import ApprovalRequiredError, BudgetError, ConfigurationError
from tasks.ledger import Ledger
from tasks.register.mlflow_registry import Registry
from tasks.steps import adopted_answers, adoption
from tasks.steps.adoption import Wish
from tasks.workspace import Workspace, edge_of
from tests.dying_disk import KilledError
from tests.embedded import RunningServer
from tests.small_use_case import small_use_case
from tests.stepwise import Finished, begin, registered, take_data_steps

RETIRED = {
    "local-base-small-2026-06-01": {"shutdown_date": "2026-10-01"},
    "local-base-small-2026-09-01": {},
    "local-base-large-2026-06-01": {},
}


@dataclass(frozen=True)
class Adopted:
    """What the second attempt returned, after a kill in the middle of the first; and what the provider was asked."""

    content: dict[str, Any]
    space: Workspace
    runs: list[str]
    questions: list[dict[str, Any]]
    use_case: Path
    home: Path


@pytest.fixture(scope="module")
def adopted(
    finished: Finished, shared_provider: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Adopted]:
    """The tune of another home: nothing here knows what it was trained on."""
    folder = tmp_path_factory.mktemp("adopting")
    use_case, home = small_use_case(folder / "case"), folder / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEGATE_HOME", str(home))
        patch.setenv("TUNEGATE_PROVIDER_URL", shared_provider.url)
        patch.delenv("PREFECT_API_URL", raising=False)
        before = len(shared_provider.log("chat.create"))
        choices = Choices(by="Ada", reason="it answers in production")
        with dying_before(adopted_answers.TEST), pytest.raises(KilledError):
            adopt(str(use_case), tune_of(finished), choices)
        content = adopt(str(use_case), tune_of(finished), choices)
        questions = shared_provider.log("chat.create")[before:]
        runs = sorted(path.name for path in (home / "runs").iterdir())
        yield Adopted(content, workspace.reopen(content["run"]), runs, questions, use_case, home)


def tune_of(finished: Finished) -> str:
    assert finished.record.tuned is not None
    return finished.record.tuned.model


def dying_before(name: str) -> Any:
    """The process is gone when it would write that file of its run folder."""
    from contextlib import contextmanager

    from tasks import run_folder

    write = run_folder.replace_file

    def write_or_die(path: Path, content: bytes) -> None:
        if path.name == name:
            raise KilledError
        write(path, content)

    @contextmanager
    def dying() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(run_folder, "replace_file", write_or_die)
            yield

    return dying()


# ---------------------------------------------------------------- what is recorded


def test_a_killed_adoption_goes_on_in_its_own_run_and_pays_no_answer_twice(adopted: Adopted) -> None:
    assert adopted.runs == [adopted.content["run"]]
    recorded = [adopted.space.folder.read_frame(name) for name in (adopted_answers.TEST, adopted_answers.RECENT)]
    asked_for = {request for frame in recorded for request in frame["request"]}
    assert len(adopted.questions) == len(asked_for) == sum(len(frame) for frame in recorded)


def test_the_test_cases_are_answered_and_as_many_of_the_newest_rows(adopted: Adopted) -> None:
    space = adopted.space
    tested, recent = (space.folder.read_frame(name) for name in (adopted_answers.TEST, adopted_answers.RECENT))
    assert sorted(tested["case"]) == sorted(space.partitions.test["id"])
    assert len(recent) == len(tested)
    others = [getattr(space.partitions, name) for name in ("train", "validation")]
    days = {row.id: row.created_at for part in others for row in part.itertuples()}
    left_out = [day for id_, day in days.items() if id_ not in set(recent["case"])]
    assert min(days[case] for case in recent["case"]) >= max(left_out)


def test_the_test_set_is_sealed_and_its_opening_is_on_record_once(adopted: Adopted) -> None:
    (opening,) = Ledger().openings("small")
    assert (opening.run, opening.candidates) == (adopted.content["run"], ("adopted",))
    assert opening.test_sha256 == adopted.content["test_sha256"]
    assert Ledger().uploads("small") == [], "nothing was trained here"


def test_it_is_registered_as_champion_with_its_training_data_unknown(adopted: Adopted, finished: Finished) -> None:
    champion = Registry("small").champion()
    assert champion is not None
    assert (champion.candidate.model, champion.candidate.training_data) == (tune_of(finished), "unknown")
    version = Registry("small").client.get_model_version("tunegate.small", str(champion.version))
    said = {name: version.tags[f"tunegate.{name}"] for name in ("kind", "training_data", "adopted_by", "role")}
    assert said == {"kind": "tune", "training_data": "unknown", "adopted_by": "Ada", "role": "adopted"}
    assert float(version.tags["tunegate.accuracy"]) == pytest.approx(adopted.content["test"]["accuracy"], abs=1e-4)
    assert "what it was trained on is unknown" in version.description


def test_the_move_is_in_the_history_with_who_and_why(adopted: Adopted) -> None:
    (move,) = Ledger().moves("small")[:1]
    assert (move.action, move.by, move.reason) == ("adopt", "Ada", "it answers in production")
    assert (move.version, move.former, move.run) == (adopted.content["version"], None, adopted.content["run"])


def test_its_decision_record_says_how_it_answers(adopted: Adopted) -> None:
    record = Registry("small").decision(adopted.content["version"])
    assert record["provider"]["name"] == "embedded"
    assert record["adoption"]["unknown"] == adopted.content["unknown"]
    assert Comparison.model_validate(record["comparison"]).candidates[0].candidate.name == "adopted"


def test_the_command_says_what_was_recorded_what_is_unknown_and_what_comes_next(
    adopted: Adopted, capsys: pytest.CaptureFixture[str]
) -> None:
    show(adopted.content)
    told = capsys.readouterr().out
    for part in ("is champion of small as version 1", "test cases: accuracy", "Unknown:", "tunegate watch"):
        assert part in told


# ---------------------------------------------------------------- what is refused


def test_without_a_yes_nothing_is_asked_above_the_threshold(
    finished: Finished, own_home: Path, tmp_path: Path, shared_provider: RunningServer
) -> None:
    case = small_use_case(tmp_path / "case", rows=150, budget={"approval_above": 0.0}, split={"min_test": 20})
    space, before = take_data_steps(begin(case, train=False)), len(shared_provider.log("chat.create"))
    edge, candidate = edge_of(space), adoption.candidate_of(space, Wish(tune_of(finished)))
    found = adoption.estimate(space, edge, candidate)
    with pytest.raises(ApprovalRequiredError, match="the same command with --yes"):
        adoption.authorise(space, edge, found, yes=False, by="Ada")
    adoption.authorise(space, edge, found, yes=True, by="Ada")
    adoption.authorise(space, edge, found, yes=False, by="Ada")  # on record now
    assert len(shared_provider.log("chat.create")) == before


def test_no_yes_lifts_the_budget(finished: Finished, own_home: Path, tmp_path: Path) -> None:
    budget = {"per_run": 0.0, "approval_above": 0.0}
    case = small_use_case(tmp_path / "case", rows=150, budget=budget, split={"min_test": 20})
    space = take_data_steps(begin(case, train=False))
    edge, candidate = edge_of(space), adoption.candidate_of(space, Wish(tune_of(finished)))
    with pytest.raises(BudgetError):
        adoption.authorise(space, edge, adoption.estimate(space, edge, candidate), yes=True, by="Ada")


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        (Wish("ft:BASE:x::1", prompt="nowhere"), "has no prompt nowhere"),
        (Wish("ft:BASE:x::1", endpoint="nowhere"), "names no endpoint nowhere"),
        (Wish("a-name-of-its-own"), "does not say what it was tuned on"),
    ],
)
def test_what_cannot_be_adopted_is_said_before_anything_is_asked(finished: Finished, wish: Wish, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        adoption.candidate_of(finished.space, wish)


@pytest.mark.parametrize("model", ["ft:local-base-small-2026-06-01:embedded::x", "local.ft-abc", "own"])
def test_the_base_model_is_read_off_the_name_unless_it_is_given(finished: Finished, model: str) -> None:
    given = "local" if model == "own" else ""
    base = adoption.candidate_of(finished.space, Wish(model, given)).base_model
    assert base == ("local-base-small-2026-06-01" if model.startswith("ft:") else "local")


def test_a_model_that_its_provider_does_not_know_is_named_with_those_that_it_does(finished: Finished) -> None:
    unknown = adoption.candidate_of(finished.space, Wish("ft:local-base-small-2026-06-01:embedded::nobody"))
    with pytest.raises(ConfigurationError, match=r"has no model .*nobody.* Of tunes it lists: .*ft:"):
        adoption.require_there(unknown, edge_of(finished.space))


def test_a_champion_is_replaced_only_for_a_reason(adopted: Adopted, finished: Finished) -> None:
    champion = Registry("small").champion()
    assert champion is not None
    other = champion.candidate.model_copy(update={"model": "ft:b:o::2", "tuned_model": "ft:b:o::2"})
    with pytest.raises(ConfigurationError, match=f"version {champion.version} .* is champion.*--reason"):
        adoption.require_room(other, champion, "")
    adoption.require_room(other, champion, "it answers better")
    adoption.require_room(champion.candidate, champion, "")


# ---------------------------------------------------------------- afterwards


def test_once_its_base_is_retired_the_next_trial_compares_with_its_recorded_answers(
    adopted: Adopted, shared_provider: RunningServer
) -> None:
    shared_provider.change_settings(models=RETIRED)
    try:
        result = registered(adopted.use_case, train=False)
    finally:
        shared_provider.change_settings()
    folder = workspace.reopen(result.run).folder
    verdict, comparison = folder.read_json("verdict.json", Verdict), folder.read_json("comparison.json", Comparison)
    met = verdict.champion_standing
    assert met is not None
    assert (met.state, met.training_data, met.unrecorded) == ("retired", "unknown", 0)
    figures = {item.candidate.name: item.metric.value for item in comparison.candidates}
    assert figures["champion"] == pytest.approx(adopted.content["test"]["metric"]["value"])
    assert (result.winner, verdict.first_champion) == ("best-prompt", True)
    moves = [(move.action, move.former) for move in Ledger().moves("small")]
    assert moves == [("adopt", None), ("promote", adopted.content["version"])]
