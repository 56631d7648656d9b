"""Whatever is changed in a run afterwards is found, and named."""

import json
from collections.abc import Callable

import pandas as pd
import pytest

from tasks import workspace
from tasks.steps import audit
from tasks.workspace import Workspace
from tests.stepwise import forget


def problems(space: Workspace) -> list[str]:
    return audit.problems(workspace.reopen(space.folder.run))


def test_an_untouched_run_has_no_problems(copy: Workspace) -> None:
    assert problems(copy) == []


def test_a_run_that_has_only_begun_has_none_either(copy: Workspace) -> None:
    forget(copy, *(set(copy.folder.manifest()) - {"use_case.json", "options.json", "prompts.json"}))
    assert problems(copy) == []


def test_each_changed_file_is_named_and_no_other(copy: Workspace) -> None:
    for name in copy.folder.manifest():
        path = copy.folder.file(name)
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if content else b"x")
        assert problems(copy) == [f"{name} is missing or was changed after it was written."]
        path.write_bytes(content)


def test_each_missing_file_is_named(copy: Workspace) -> None:
    for name in ("answers.parquet", "verdict.json", "training.jsonl"):
        copy.folder.file(name).unlink()
    missing = [problem.split()[0] for problem in problems(copy)]
    assert sorted(missing) == ["answers.parquet", "training.jsonl", "verdict.json"]


# ---------------------------------------------------------------- changes under a manifest that was changed with them


def change_frame(space: Workspace, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    space.folder.write_frame(name, change(space.folder.read_frame(name)))


def change_counts(space: Workspace, **values: int) -> None:
    counts = json.loads(space.folder.read_bytes("counts.json"))
    space.folder.write_json("counts.json", counts | values)


def move(space: Workspace, origin: str, to: str) -> None:
    """The first row of one partition to another."""

    def moved(places: pd.DataFrame) -> pd.DataFrame:
        places.loc[places.index[places["partition"] == origin][0], "partition"] = to
        return places

    change_frame(space, "partitions.parquet", moved)


def test_a_line_more_in_the_quarantine_breaks_the_first_sum(copy: Workspace) -> None:
    copy.folder.write_bytes("quarantine.jsonl", b'{"id": "one more"}\n')
    records = len(copy.folder.read_frame("curated.parquet"))
    assert problems(copy) == [
        "counts.json says 0 quarantined, the file holds 1.",
        f"{records} records were read, {records + 1} are accounted for.",
    ]


def test_a_record_that_was_never_read_breaks_the_first_sum(copy: Workspace) -> None:
    change_counts(copy, records_in=401)
    assert problems(copy) == ["401 records were read, 400 are accounted for."]


def test_a_lost_curated_row_is_found(copy: Workspace) -> None:
    change_frame(copy, "curated.parquet", lambda rows: rows.iloc[1:])
    assert "partitions.parquet does not give each curated row one place" in " ".join(problems(copy))


@pytest.mark.parametrize("column", ["input", "output"])
def test_another_text_or_answer_in_a_partition_is_found(copy: Workspace, column: str) -> None:
    tested = copy.partitions.test["id"].iloc[0]
    change_frame(
        copy, "curated.parquet", lambda rows: rows.assign(**{column: rows[column].mask(rows["id"] == tested, "other")})
    )
    assert problems(copy) == ["The test partition does not have the hash that counts.json records."]


def test_a_test_row_moved_to_train_is_found_on_both_sides(copy: Workspace) -> None:
    move(copy, "test", "train")
    assert problems(copy) == [
        f"The {name} partition does not have the hash that counts.json records." for name in ("train", "test")
    ]


def test_a_row_without_a_partition_breaks_the_second_sum(copy: Workspace) -> None:
    move(copy, "validation", "nowhere")
    assert "400 rows are curated, 399 have a place." in problems(copy)


def test_a_row_in_two_partitions_is_found(copy: Workspace) -> None:
    change_frame(
        copy,
        "partitions.parquet",
        lambda places: pd.concat([places, places.iloc[:1].assign(partition="test")], ignore_index=True),
    )
    assert len(problems(copy)) == 1
    assert "does not give each curated row one place" in problems(copy)[0]


def test_a_train_row_with_the_words_of_a_test_row_is_found(copy: Workspace) -> None:
    told, trained = copy.partitions.test["words"].iloc[0], copy.partitions.train["id"].iloc[0]
    change_frame(
        copy, "curated.parquet", lambda rows: rows.assign(words=rows["words"].mask(rows["id"] == trained, told))
    )
    assert problems(copy) == ["1 test rows have the words of a train row."]


def test_a_file_struck_from_the_manifest_is_found(copy: Workspace) -> None:
    forget(copy, "partitions.parquet")
    assert len(problems(copy)) == 1
    assert "partitions.parquet is missing" in problems(copy)[0]
