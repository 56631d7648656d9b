"""From the source to partitions and training files: nothing is lost, nothing leaks, a kill costs nothing."""

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_contracts.records import PARTITIONS, Counts, LeakageReport
from data_contracts.trial import TrialOptions
from tasks import workspace
from tasks.errors import ConfigurationError, DataError, LeakageError
from tasks.ledger import Ledger
from tasks.run_folder import TamperedFileError
from tasks.steps import curation, data
from tasks.workspace import Workspace
from tests.dying_disk import KilledError, dying_after
from tests.small_use_case import small_rows, small_use_case
from tests.stepwise import begin, take_data_steps

SMALL = {"split": {"min_test": 20}}
FROM_FILES = {
    "source": {"files": [{"path": f"{name}.jsonl", "partition": name} for name in ("train", "test")]},
    "split": {"method": "given", "min_test": 20},
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEGATE_HOME", str(tmp_path / "home"))


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def places(space: Workspace) -> dict[str, str]:
    """Row id to partition."""
    return {row: name for name in PARTITIONS for row in getattr(space.partitions, name)["id"]}


def leaking_case(folder: Path, **changes: Any) -> Path:
    """Files for train and test, two of whose 30 test rows stand in train too."""
    path = small_use_case(folder, **FROM_FILES | changes)
    rows = small_rows(130, seed=3)
    copies = [row | {"id": f"copy-{row['id']}", "text": row["text"].upper()} for row in rows[:2]]
    write_rows(folder / "train.jsonl", rows[:100])
    write_rows(folder / "test.jsonl", [*rows[102:], *copies])
    return path


# ---------------------------------------------------------------- conservation


@pytest.fixture
def defective(tmp_path: Path) -> Workspace:
    """120 good rows; three copies, two rows without a label, a broken line and two that contradict each other."""
    path = small_use_case(tmp_path / "case", curation={"max_quarantined": 0.2}, **SMALL)
    good = small_rows(120, seed=1)
    copies = [row | {"id": f"copy-{number}", "text": row["text"].title()} for number, row in enumerate(good[:3])]
    unlabelled = [row | {"id": f"bare-{row['id']}", "label": None} for row in small_rows(2, seed=2)]
    rivals = [{**small_rows(1, seed=9)[0], "id": f"rival-{label}", "label": label} for label in ("fruit", "ships")]
    rows = tmp_path / "case" / "rows.jsonl"
    write_rows(rows, [*good, *copies, *unlabelled, *rivals])
    rows.write_text(rows.read_text() + '{"id": "broken", "text": \n')
    return take_data_steps(begin(path))


def test_every_record_read_is_curated_a_duplicate_quarantined_or_excluded(defective: Workspace) -> None:
    counts = data.counts(defective)
    assert (counts.records_in, counts.curated, counts.duplicates, counts.quarantined) == (128, 120, 3, 5)
    assert counts.records_in == counts.curated + counts.duplicates + counts.quarantined + counts.excluded
    assert sum(counts.quarantine_codes.values()) == counts.quarantined
    lines = defective.folder.read_bytes("quarantine.jsonl").splitlines()
    assert all(json.loads(line)["remedy"] for line in lines)


def test_every_curated_row_trains_validates_tests_or_is_withheld(defective: Workspace) -> None:
    counts, parts = data.counts(defective), defective.partitions
    rows = [counts.train.rows, counts.validation.rows, counts.test.rows, counts.withheld]
    assert rows == [len(parts.train), len(parts.validation), len(parts.test), len(parts.withheld)]
    assert sum(rows) == counts.curated
    curated = defective.folder.read_frame("curated.parquet")
    assert sorted(places(defective)) == sorted(curated["id"])
    assert counts.test.sha256 == data.digest(defective, "test")


def test_a_place_for_every_row_is_demanded_when_partitions_are_read(defective: Workspace) -> None:
    kept = defective.folder.read_frame("partitions.parquet").iloc[1:]
    defective.folder.write_frame("partitions.parquet", kept)
    with pytest.raises(TamperedFileError, match=r"partitions\.parquet does not give each curated row one place"):
        workspace.reopen(defective.folder.run).partitions  # noqa: B018 - reading is what is tested


def test_too_many_bad_rows_stop_the_run_with_the_quarantine_on_disk(tmp_path: Path) -> None:
    path = small_use_case(tmp_path / "case", **SMALL)
    write_rows(tmp_path / "case" / "rows.jsonl", [row | {"label": 3} for row in small_rows(50, seed=1)])
    space = begin(path)
    with pytest.raises(DataError, match=r"50 of 50 records .* are in quarantine") as stopped:
        curation.curate(space, Ledger())
    assert stopped.value.exit_code == 3
    assert len(space.folder.read_bytes("quarantine.jsonl").splitlines()) == 50
    with pytest.raises(DataError, match="in quarantine"):
        curation.curate(workspace.reopen(space.folder.run), Ledger())


@pytest.mark.parametrize("column", ["id", "input", "output"])
def test_the_digest_of_a_partition_depends_on_id_input_and_output(defective: Workspace, column: str) -> None:
    before = data.digest(defective, "test")
    rows = defective.folder.read_frame("curated.parquet")
    defective.folder.write_frame("curated.parquet", rows.assign(line=7))
    assert data.digest(defective, "test") == before
    tested = rows["id"].isin(defective.partitions.test["id"])
    changed = rows.assign(**{column: rows[column].mask(tested, rows[column] + "x")})
    defective.folder.write_frame("curated.parquet", changed)
    assert data.digest(defective, "test") != before


# ---------------------------------------------------------------- training files


def test_training_files_hold_train_and_validation_rows_and_no_test_row(defective: Workspace) -> None:
    training, validation = data.training_files(defective)
    for file, rows in ((training, defective.rows("train")), (validation, defective.rows("validation"))):
        texts = Path(file.path).read_text()
        assert file.examples == len(rows) == len(texts.splitlines())
        assert all(text in texts for text in rows["input"])
        assert not any(text in texts for text in defective.rows("test")["input"])


def test_fewer_than_ten_validation_rows_make_no_validation_file(tmp_path: Path) -> None:
    path = small_use_case(tmp_path / "case", rows=100, split={"min_test": 20, "validation": 0.05})
    space = take_data_steps(begin(path))
    assert 0 < len(space.partitions.validation) < 10
    assert data.training_files(space)[1] is None


def test_a_home_that_has_moved_still_knows_its_training_files(
    defective: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.move(tmp_path / "home", tmp_path / "moved")
    monkeypatch.setenv("TUNEGATE_HOME", str(tmp_path / "moved"))
    training, _ = data.training_files(workspace.reopen(defective.folder.run))
    assert Path(training.path).is_file()


# ---------------------------------------------------------------- steps taken once


def test_a_step_that_was_taken_is_not_taken_again_on_reopening(tmp_path: Path) -> None:
    path = small_use_case(tmp_path / "case", rows=120, **SMALL)
    first = take_data_steps(begin(path))
    before = first.folder.manifest(), {file.name: file.stat().st_mtime_ns for file in first.folder.path.iterdir()}
    write_rows(tmp_path / "case" / "rows.jsonl", small_rows(200, seed=4))
    again = take_data_steps(workspace.reopen(first.folder.run))
    after = again.folder.manifest(), {file.name: file.stat().st_mtime_ns for file in again.folder.path.iterdir()}
    assert after == before


def test_a_run_keeps_the_use_case_and_the_prompts_it_started_with(tmp_path: Path) -> None:
    path = small_use_case(tmp_path / "case", rows=120, **SMALL)
    first = begin(path)
    described = tmp_path / "case" / "prompts" / "described.yaml"
    described.write_text(described.read_text().replace("You sort notes", "You do something else"))
    small_use_case(tmp_path / "case", rows=120, title="Another title")
    again = workspace.reopen(first.folder.run)
    assert again.prompts["described"].role == "You sort notes by topic."
    assert again.case.use_case.title == ""


@pytest.mark.slow
def test_a_kill_at_any_file_of_a_step_is_mended_by_taking_the_step_again(tmp_path: Path) -> None:
    reached = begin(small_use_case(tmp_path / "case", rows=80, **SMALL))
    for name, step in STEPS.items():
        whole = copy_of(reached, f"{name}-whole")
        step(whole)
        for files in itertools.count():
            attempt = copy_of(reached, f"{name}-{files}")
            if not is_killed(step, attempt, files):
                break
            again = workspace.reopen(attempt.folder.run)
            step(again)
            assert hashes(again) == hashes(whole), f"{name}, killed after {files} files"
            assert again.folder.changed_files() == []
        assert files > 1, "it was never killed"
        reached = whole


STEPS: dict[str, Callable[[Workspace], object]] = {
    "curate": lambda space: curation.curate(space, Ledger()),
    "partition": lambda space: data.partition(space, Ledger()),
    "check_leakage": lambda space: data.check_leakage(space, Ledger()),
}


def hashes(space: Workspace) -> dict[str, str]:
    """Of every file but the page, which names its run."""
    return {name: digest for name, digest in space.folder.manifest().items() if name != "data.html"}


def copy_of(space: Workspace, name: str) -> Workspace:
    """The run as it lies on disk, under another name."""
    shutil.copytree(space.folder.path, space.folder.path.with_name(name))
    return workspace.reopen(name)


def is_killed(step: Callable[[Workspace], object], space: Workspace, files: int) -> bool:
    try:
        with dying_after(files):
            step(space)
    except KilledError:
        return True
    return False


# ---------------------------------------------------------------- leakage


def test_a_leak_stops_with_exit_3_and_its_report_on_disk_and_nothing_to_upload(tmp_path: Path) -> None:
    space = begin(leaking_case(tmp_path / "case"))
    with pytest.raises(LeakageError, match="2 test rows also occur in train") as stopped:
        take_data_steps(space)
    assert stopped.value.exit_code == 3
    assert stopped.value.report == str(space.folder.file("leakage_pairs.parquet"))
    report = space.folder.read_json("leakage.json", LeakageReport)
    assert report.found["test"]["same words"] == 2
    pairs = space.folder.read_frame("leakage_pairs.parquet")
    assert sorted(pairs["evaluation_id"]) == ["copy-row-0", "copy-row-1"]
    assert sorted(pairs["train_id"]) == ["row-0", "row-1"]
    assert not {"training.jsonl", "training_files.json", "partitions.parquet"} & space.folder.manifest().keys()


def test_a_leak_stops_again_when_the_run_is_resumed(tmp_path: Path) -> None:
    space = begin(leaking_case(tmp_path / "case"))
    for again in (space, workspace.reopen(space.folder.run)):
        with pytest.raises(LeakageError):
            take_data_steps(again)


def test_withhold_keeps_the_train_side_out_and_both_sums_hold(tmp_path: Path) -> None:
    space = take_data_steps(begin(leaking_case(tmp_path / "case", leakage={"on_leak": "withhold"})))
    counts = space.folder.read_json("counts.json", Counts)
    report = space.folder.read_json("leakage.json", LeakageReport)
    assert (report.withheld, counts.withheld, counts.withheld_reasons) == (2, 2, {"leak": 2})
    assert report.found["test"]["same words"] == 2
    assert sorted(space.partitions.withheld["id"]) == ["row-0", "row-1"]
    assert counts.curated == counts.train.rows + counts.validation.rows + counts.test.rows + counts.withheld
    training = Path(data.training_files(space)[0].path).read_text()
    assert not any(text in training for text in space.rows("withheld")["input"])


def test_a_prompt_that_holds_a_test_input_stops_the_run_and_quotes_none(tmp_path: Path) -> None:
    path = small_use_case(tmp_path / "case", rows=120, **SMALL)
    tested = take_data_steps(begin(path)).rows("test").iloc[0]
    prompt = json.loads((tmp_path / "case" / "prompts" / "described.yaml").read_text())
    prompt["rules"] = [f"For example, {tested['input'].upper()}! is about {tested['output']}."]
    (tmp_path / "case" / "prompts" / "described.yaml").write_text(json.dumps(prompt))
    space = begin(path)
    with pytest.raises(DataError, match=rf"prompt described: .*first: row {tested['id']}") as stopped:
        take_data_steps(space)
    assert tested["input"] not in str(stopped.value)
    assert not space.folder.has("training.jsonl")


def test_a_label_description_that_holds_a_test_input_stops_the_run(tmp_path: Path) -> None:
    path = small_use_case(tmp_path / "case", rows=120, **SMALL)
    tested = take_data_steps(begin(path)).rows("test").iloc[0]
    contract = json.loads((tmp_path / "case" / "contract.yaml").read_text())
    contract["labels"]["fruit"] = f"such as: {tested['input']}"
    (tmp_path / "case" / "contract.yaml").write_text(json.dumps(contract))
    with pytest.raises(DataError, match=r"prompt (described|shown): its text or the label descriptions hold 1"):
        take_data_steps(begin(path))


# ---------------------------------------------------------------- the seal


def test_a_later_trial_with_another_seed_and_other_shares_keeps_every_row_on_its_side(tmp_path: Path) -> None:
    first = take_data_steps(begin(small_use_case(tmp_path / "case", rows=150, **SMALL)))
    data.seal(first, Ledger())
    path = small_use_case(tmp_path / "case", rows=150, **SMALL)
    write_rows(tmp_path / "case" / "rows.jsonl", [*small_rows(60, seed=8), *small_rows(150, seed=1)[::-1]])
    rename_rows(tmp_path / "case" / "rows.jsonl")
    later = take_data_steps(begin(path, settings={"split.seed": 99, "split.test": 0.5, "split.validation": 0.1}))
    sealed, now = by_text(first), by_text(later)
    assert {text: now[text] for text in sealed} == sealed
    assert len(now) == 210
    assert set(now.values()) == set(PARTITIONS)


def rename_rows(path: Path) -> None:
    """Fresh ids: a row is known again by its words."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    write_rows(path, [row | {"id": f"new-{number}"} for number, row in enumerate(rows)])


def by_text(space: Workspace) -> dict[str, str]:
    return {text: name for name in PARTITIONS for text in space.rows(name)["input"]}


def test_sealing_again_changes_nothing(tmp_path: Path) -> None:
    space, ledger = take_data_steps(begin(small_use_case(tmp_path / "case", rows=120, **SMALL))), Ledger()
    data.seal(space, ledger)
    sealed = ledger.history("small")
    data.seal(workspace.reopen(space.folder.run), ledger)
    assert ledger.history("small") == sealed
    assert set(sealed) == {words for name in PARTITIONS for words in getattr(space.partitions, name)["words"]}


def test_a_run_that_waited_while_another_trial_sealed_other_sides_is_stopped(tmp_path: Path) -> None:
    path = small_use_case(tmp_path / "case", rows=120, **SMALL)
    waiting = take_data_steps(begin(path))
    data.seal(take_data_steps(begin(path, settings={"split.seed": 99})), Ledger())
    with pytest.raises(DataError, match="another trial has placed") as stopped:
        data.seal(waiting, Ledger())
    assert "nothing was uploaded" in str(stopped.value)


# ---------------------------------------------------------------- what a check is not


def test_a_check_is_no_trial_that_could_be_resumed_and_buy_something(tmp_path: Path) -> None:
    path = small_use_case(tmp_path / "case", rows=120, **SMALL)
    checked = workspace.start(str(path), TrialOptions(), "check")
    with pytest.raises(ConfigurationError, match=r"it is a check, and no trial\. Run `tunegate check` again"):
        workspace.resumable(checked.folder.run)
    assert workspace.resumable(begin(path).folder.run).case.use_case.name == "small"


def test_an_id_that_is_what_the_row_was_turned_away_for_stands_in_no_page(tmp_path: Path) -> None:
    path = small_use_case(tmp_path / "case", rows=120, curation={"privacy": {"default": "quarantine"}}, **SMALL)
    told = small_rows(1, seed=9)[0] | {"id": "ann.lee@mail.example.com"}
    write_rows(tmp_path / "case" / "rows.jsonl", [*small_rows(120, seed=1), told])
    space = take_data_steps(begin(path))
    assert data.counts(space).quarantine_codes == {"personal_data": 1}
    assert "ann.lee" not in space.folder.file("data.html").read_text()
    assert json.loads(space.folder.read_bytes("quarantine.jsonl"))["id"] == "[withheld]"


def test_the_page_says_what_stopped_the_run(tmp_path: Path) -> None:
    space = begin(leaking_case(tmp_path / "case"))
    with pytest.raises(LeakageError):
        take_data_steps(space)
    assert "2 test rows also occur in train" in space.folder.file("data.html").read_text()


def test_a_rerun_of_rows_that_the_gate_thinned_trains_and_tests_on_the_same_ones() -> None:
    first = take_data_steps(begin("support_intents"))
    data.seal(first, Ledger())
    again = take_data_steps(begin("support_intents"))
    assert data.counts(first).withheld_reasons["leak"] > 0
    for name in ("training.jsonl", "validation.jsonl"):
        assert again.folder.manifest()[name] == first.folder.manifest()[name]
    assert data.sealed(again).sha256 == data.sealed(first).sha256
