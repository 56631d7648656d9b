"""Forgetting rows: no byte of them stays, the run still adds up and says so, and no later trial takes them again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from filelock import FileLock

from data_contracts.redaction import EMPTIED, FORGOTTEN, REDACTIONS, Forgetting, Redactions, sha256_of
from flows import commands, forgetting
from tasks import workspace
from tasks.errors import ConfigurationError, ResumableError
from tasks.ledger import Ledger
from tasks.register.mlflow_registry import Registry
from tasks.run_folder import RunFolder
from tasks.steps import forgetting as steps
from tasks.workspace import Workspace
from tests.embedded import RunningServer, embedded_server
from tests.steps.forgotten.planted import PERSONS, RIVAL, TWIN, planted_use_case, sentence, traces
from tests.stepwise import begin, registered, take_data_steps

ASKED = range(PERSONS - 6)  # the others stay


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("forget")
    with embedded_server(folder / "server") as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEGATE_HOME", str(folder / "home"))
        patch.setenv("TUNEGATE_PROVIDER_URL", server.url)
        yield server


@pytest.fixture(scope="module")
def home(place: RunningServer) -> Path:
    return place.state.parent / "home"


@pytest.fixture(scope="module")
def use_case(place: RunningServer) -> Path:
    return planted_use_case(place.state.parent / "case")


@pytest.fixture(scope="module")
def trial(use_case: Path) -> Workspace:
    """A whole trial of prompts; the tests below take it from there, in their order."""
    return workspace.reopen(registered(use_case, train=False).run)


@pytest.fixture(scope="module")
def before(trial: Workspace) -> dict[str, str]:
    """The trial's manifest at its verdict."""
    return trial.folder.manifest()


@pytest.fixture(scope="module")
def forgotten(trial: Workspace, before: dict[str, str], use_case: Path) -> Forgetting:
    return forget(use_case, ASKED)


def forget(use_case: Path, numbers: Any) -> Forgetting:
    plain = forgetting.forget(str(use_case), [f"row-{number}" for number in numbers], "ana", "request 17")
    assert plain.pop("nothing_left") in (True, False)
    return Forgetting.model_validate(plain)


def places_of(space: Workspace) -> dict[str, str]:
    places = pd.read_parquet(space.folder.file("partitions.parquet"))
    return dict(zip(places["id"], places["partition"], strict=True))


def test_the_rows_were_in_every_partition_among_the_copies_and_in_quarantine(trial: Workspace, home: Path) -> None:
    placed = places_of(trial)
    assert {placed.get(f"row-{number}") for number in ASKED} >= {"train", "validation", "test"}
    assert pd.read_parquet(trial.folder.file("duplicates.parquet"))["id"].tolist() == [TWIN]
    assert RIVAL in trial.folder.file("quarantine.jsonl").read_text()
    found = " ".join(traces(home, ASKED))
    held = ("curated.parquet", "examples.parquet", "quarantine.jsonl", "data.html", "mlartifacts")
    assert [name for name in held if name not in found] == []


def test_a_run_in_progress_is_left_alone_and_the_request_is_on_record(trial: Workspace, use_case: Path) -> None:
    with FileLock(trial.folder.path / ".lock"), pytest.raises(ResumableError, match=r"in progress.*repeat when it has"):
        forget(use_case, [0])
    assert [row.row for row in Ledger().forgotten("small")] == [sha256_of("row-0")]


@pytest.mark.parametrize("stage", ["Emptying runs", "Emptying MLflow", "Emptying rows"])
def test_a_kill_in_between_is_healed_by_repeating(
    stage: str, trial: Workspace, before: dict[str, str], home: Path
) -> None:
    number = PERSONS - 2 - ["Emptying runs", "Emptying MLflow", "Emptying rows"].index(stage)
    wish = steps.Wish("small", frozenset({f"row-{number}"}), "ana", "")

    def killed(what: str, done: int, total: int) -> None:
        if what == stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        steps.forget(wish, killed)
    steps.forget(wish, lambda what, done, total: None)
    assert traces(home, [number]) == []
    assert commands.verify(trial.folder.run)["problems"] == []
    record = trial.folder.read_json(REDACTIONS, Redactions)
    assert [request.rows for request in record.requests if sha256_of(f"row-{number}") in request.ids] == [1]


def test_no_byte_of_the_rows_stays(forgotten: Forgetting, home: Path) -> None:
    assert traces(home, ASKED) == []


def test_the_rows_beside_them_stay(forgotten: Forgetting, home: Path) -> None:
    assert traces(home, [PERSONS - 1, PERSONS - 5])


def test_rows_of_other_ids_with_the_same_words_went_too(forgotten: Forgetting) -> None:
    assert forgotten.rows == len(ASKED) + 2
    assert forgotten.same_words == 2, "the twin among the copies, the rival in quarantine"


def test_the_run_still_adds_up(forgotten: Forgetting, trial: Workspace) -> None:
    assert commands.verify(trial.folder.run)["problems"] == []


def test_the_record_tells_how_many_when_by_whom_and_why_without_ids(forgotten: Forgetting, trial: Workspace) -> None:
    record = trial.folder.read_json(REDACTIONS, Redactions)
    request = record.requests[-1]
    assert (request.rows, request.by, request.reason) == (len(ASKED) + 2, "ana", "request 17")
    assert sha256_of("row-3") in request.ids
    assert "row-3" not in record.model_dump_json()
    assert "rows were emptied after the trial" in record.sentence


def test_the_record_leads_back_to_the_manifest_of_the_verdict(
    forgotten: Forgetting, trial: Workspace, before: dict[str, str]
) -> None:
    now = trial.folder.manifest()
    record = trial.folder.read_json(REDACTIONS, Redactions)
    assert now != before
    assert list(record.before(now).items()) == list(before.items())
    assert record.original(now["curated.parquet"]) == before["curated.parquet"]


def test_what_was_decided_and_counted_stays_byte_for_byte(
    forgotten: Forgetting, trial: Workspace, before: dict[str, str]
) -> None:
    now = trial.folder.manifest()
    kept = ("verdict.json", "comparison.json", "counts.json", "sealed.json", "cost.json", "use_case.json")
    assert [now[name] for name in kept] == [before[name] for name in kept]


def test_scores_stay_where_their_texts_went(forgotten: Forgetting, trial: Workspace) -> None:
    answers = trial.folder.read_frame("answers.parquet")
    emptied = answers[answers["case"].str.startswith(EMPTIED)]
    assert len(emptied) and (emptied["output"] == "").all()
    assert emptied["score"].notna().all()


def test_their_answers_went_from_the_ledger(forgotten: Forgetting, trial: Workspace) -> None:
    answers = trial.folder.read_frame("answers.parquet")
    of_rows = answers["case"].str.startswith(EMPTIED)
    assert forgotten.answers > 0
    assert not Ledger().stored_answers(answers.loc[of_rows, "request"].tolist())
    assert Ledger().stored_answers(answers.loc[~of_rows, "request"].tolist())


def test_the_version_in_the_registry_says_that_rows_went(forgotten: Forgetting) -> None:
    registry = Registry("small")
    champion = registry.champion()
    tags = registry.client.get_model_version(registry.name, str(champion.version)).tags
    assert "rows were emptied after the trial" in tags["tunegate.redacted"]
    assert forgotten.changed == [f"version {champion.version}"]


def test_the_version_names_the_examples_that_it_answers_with_now(forgotten: Forgetting, trial: Workspace) -> None:
    registry = Registry("small")
    champion = registry.champion()
    tags = registry.client.get_model_version(registry.name, str(champion.version)).tags
    assert tags["tunegate.examples_now"] == trial.folder.manifest()["examples.parquet"] != champion.candidate.examples


def test_the_users_own_file_is_named_by_line(forgotten: Forgetting, use_case: Path) -> None:
    rows = use_case.with_name("rows.jsonl")
    assert {f"{rows}:{number + 1}" for number in ASKED} <= set(forgotten.sources)


def test_a_second_time_finds_nothing_left(
    forgotten: Forgetting, use_case: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = forgetting.forget(str(use_case), [f"row-{number}" for number in ASKED], "ana", "request 17")
    assert plain["nothing_left"]
    forgetting.show(plain)
    assert "nothing is left" in " ".join(capsys.readouterr().out.split())


def test_a_later_trial_leaves_them_out_and_counts_them(forgotten: Forgetting, use_case: Path, home: Path) -> None:
    later = take_data_steps(begin(use_case, train=False))
    counts = json.loads(later.folder.read_bytes("counts.json"))
    left_out = [json.loads(line) for line in later.folder.file("excluded.jsonl").read_text().splitlines()]
    assert counts["excluded"] == len(left_out) == len(ASKED) + 5, "with the twin, the rival and those of before"
    assert {record["remedy"] for record in left_out} == {FORGOTTEN}
    assert commands.verify(later.folder.run)["problems"] == []
    assert traces(home, ASKED) == []


def test_what_is_said_holds_no_id_and_no_text(forgotten: Forgetting, capsys: pytest.CaptureFixture[str]) -> None:
    forgetting.show(forgotten.model_dump(mode="json"))
    said = capsys.readouterr().out
    assert f"{len(ASKED) + 2} rows emptied in 1 runs, 2 of them under other ids" in said
    assert "row-3" not in said and sentence(3)[:20] not in said


def test_an_unknown_use_case_is_a_mistake(place: RunningServer) -> None:
    with pytest.raises(ConfigurationError):
        forgetting.forget("no_such_use_case", ["row-1"], "ana", "")


def test_a_file_that_was_tampered_with_loses_the_rows_and_stays_known_as_changed(use_case: Path, home: Path) -> None:
    space = take_data_steps(begin(use_case, train=False))
    path = space.folder.file("quarantine.jsonl")
    record = {"file": "x", "line": 1, "offset": 0, "id": f"row-{PERSONS - 1}", "code": "c", "remedy": "", "raw": "sly"}
    path.write_text(json.dumps(record) + "\n")
    forget(use_case, [PERSONS - 1])
    assert "sly" not in path.read_text()
    assert RunFolder(space.folder.path).changed_files() == ["quarantine.jsonl"]
    assert traces(home, [PERSONS - 1]) == []
