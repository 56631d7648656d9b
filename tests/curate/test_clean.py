import json

import pytest

from data_contracts.data_policy import Curation
from tasks.curate.clean import check, clean
from tasks.curate.read import read
from tasks.errors import DataError
from tests.curate.cases import contract, jsonl, row, use_case

RULES = contract(
    columns={"id": {}, "text": {}, "label": {}, "at": {"type": "datetime", "required": False}},
    mapping={"id": "id", "input": "text", "output": "label", "created_at": "at"},
)


@pytest.fixture
def curate(tmp_path):
    def curate(*rows, on_conflict="quarantine", more=b""):
        path = tmp_path / "rows.jsonl"
        path.write_bytes(jsonl(*rows) + more)
        return clean(read(use_case(path, rules=RULES)), Curation(on_conflict=on_conflict))

    return curate


def ids(frame):
    return frame["id"].tolist()


def day(number):
    return f"2026-01-{number:02}T00:00:00Z"


def test_of_copies_the_earliest_stays_and_the_others_name_it(curate):
    curated = curate(
        row(1, text="My card?", at=day(3)),
        row(2, text="my CARD", at=day(1)),
        row(3, text="my card!", at=None),
        row(4, text="another"),
    )
    assert ids(curated.rows) == ["r2", "r4"]
    assert curated.duplicates[["id", "kept_id"]].values.tolist() == [["r1", "r2"], ["r3", "r2"]]


def test_of_undated_copies_the_first_line_stays(curate):
    curated = curate(row(1, text="same"), row(2, text="same"))
    assert (ids(curated.rows), ids(curated.duplicates)) == (["r1"], ["r2"])


def test_times_are_compared_as_instants_not_as_texts(curate):
    late, early = (
        row(1, text="same", at="2026-01-01T09:00:00+00:00"),
        row(2, text="same", at="2026-01-01T09:30:00+05:00"),
    )
    assert ids(curate(late, early).rows) == ["r2"]


def test_a_copy_in_another_given_partition_is_left_for_the_leakage_check(tmp_path):
    for name in ("train", "test"):
        (tmp_path / f"{name}.jsonl").write_bytes(jsonl(row(id=name, text="same")))
    files = [{"path": str(tmp_path / f"{name}.jsonl"), "partition": name} for name in ("train", "test")]
    curated = clean(read(use_case(*files, split={"method": "given"})), Curation())
    assert ids(curated.rows) == ["train", "test"]


def test_one_id_with_two_contents_sends_both_to_quarantine(curate):
    curated = curate(row(1), row(2), row(2, text="something else"))
    assert ids(curated.rows) == ["r1"]
    assert [(item.code, item.id, item.line) for item in curated.quarantined] == [
        ("id_clash", "r2", 2),
        ("id_clash", "r2", 3),
    ]


def test_one_id_with_one_content_is_a_copy(curate):
    curated = curate(row(1), row(1))
    assert (ids(curated.rows), ids(curated.duplicates), curated.quarantined) == (["r1"], ["r1"], [])


CONFLICT = [
    row(1, text="same", label="a", at=day(1)),
    row(2, text="Same!", label="a", at=day(2)),
    row(3, text="same", label="b", at=day(3)),
    row(4, text="other"),
]


@pytest.mark.parametrize(
    ("policy", "kept", "turned_away"),
    [
        ("quarantine", ["r4"], ["r1", "r2", "r3"]),
        ("majority", ["r1", "r4"], ["r3"]),
        ("newest", ["r3", "r4"], ["r1", "r2"]),
    ],
)
def test_conflicting_answers_are_settled_by_the_policy(curate, policy, kept, turned_away):
    curated = curate(*CONFLICT, on_conflict=policy)
    assert ids(curated.rows) == kept
    assert [item.id for item in curated.quarantined] == turned_away
    assert {item.code for item in curated.quarantined} == {"label_conflict"}


def test_a_conflict_names_a_record_that_disagrees_and_keeps_the_row_for_the_review(curate):
    first, *_, last = curate(*CONFLICT).quarantined
    assert "Record r3 " in first.remedy and "Record r1 " in last.remedy
    assert json.loads(last.raw) == {"messages": [{"role": "user", "content": "same"}], "output": "b"}


@pytest.mark.parametrize("policy", ["majority", "newest"])
def test_a_tie_has_no_winner(curate, policy):
    curated = curate(row(1, text="same", label="a"), row(2, text="same", label="b"), on_conflict=policy)
    assert [item.id for item in curated.quarantined] == ["r1", "r2"]


def test_every_record_is_accounted_for(curate):
    curated = curate(*CONFLICT, row(5, text="Other"), row(6), row(6, text="clash"), more=b"not json\n")
    parts = (len(curated.rows), len(curated.duplicates), len(curated.quarantined))
    assert parts == (1, 1, 6)
    assert sum(parts) == curated.records_in == 8


def test_too_large_a_quarantine_stops_the_run_with_its_counts_and_where_to_look(curate):
    curated = curate(row(1), row(2, label=None), row(3, label=None), more=b"[]\n")
    with pytest.raises(DataError) as caught:
        check(curated, Curation(max_quarantined=0.5), "runs/r/quarantine.jsonl")
    text = str(caught.value)
    assert "3 of 4 records (75.0%)" in text and "missing_field 2, not_an_object 1" in text
    assert "runs/r/quarantine.jsonl" in text
    assert check(curated, Curation(max_quarantined=0.75), "") is curated


def test_no_data_stops_the_run(curate):
    with pytest.raises(DataError, match="no usable record"):
        check(curate(), Curation(), "quarantine.jsonl")
