"""Rows that say nearly the same: counted, or the better one kept, and never by chains."""

import pytest

from tasks.curate.clean import clean
from tests.curate.cases import use_case
from tests.curate.raw_rows import example, raw_examples

WORDS = "the courier left my new parcel with a neighbour whom i have never met and now nobody answers the door".split()


@pytest.fixture
def curate(tmp_path):
    def curate(*rows, near="drop", kind="classification", **policy):
        raw = raw_examples(tmp_path / "raw.parquet", *rows)
        settings = {"near_duplicates": near, **policy}
        return clean(raw, use_case("rows.jsonl", curation=settings, kind=kind))

    return curate


def text(*changed, words=WORDS):
    """The words with some of them, by position, replaced."""
    return " ".join(f"other{chr(97 + at)}" if at in changed else word for at, word in enumerate(words))


def fates(curated):
    return curated.fates["fate"].tolist()


def test_near_copies_are_counted_and_kept_by_default(curate):
    curated = curate(
        example(1, text()), example(2, text(19)), example(3, "where is my refund for the lamp"), near="keep"
    )
    assert fates(curated) == ["curated"] * 3
    assert (curated.report.near_rows, curated.report.duplicates) == (2, {"same words": 0, "near": 0})


def test_alike_pairs_go_by_the_position_among_the_curated_rows(curate):
    rows = [example(1, "first"), example(2, "First!"), example(3, text()), example(4, "clash"), example(5, text(19))]
    near = curate(*rows, near="keep").near
    assert near[["left", "right", "kind"]].values.tolist() == [[1, 3, "near"]]
    assert list(near) == ["left", "right", "kind", "score"]


def test_of_near_copies_the_better_row_stays(curate):
    curated = curate(example(1, text()), example(2, text(19), created_at="2026-01-01T00:00:00+00:00"))
    assert fates(curated) == ["duplicate", "curated"]
    assert curated.fates["kept_id"].tolist() == ["r2", ""]
    assert curated.report.duplicates == {"same words": 0, "near": 1}
    assert curated.near.empty and curated.report.near_rows == 0


def passages(*letters):
    """Ten words of its own for each letter."""
    return " ".join(f"{letter}word{chr(97 + at)}" for letter in letters for at in range(10))


FIRST, MIDDLE, LAST = passages("p", "q", "r"), passages("q", "r", "s"), passages("r", "s", "t")


def test_of_a_chain_no_row_leaves_for_one_that_it_is_unlike(curate):
    assert fates(curate(example(1, FIRST), example(2, LAST))) == ["curated", "curated"]
    curated = curate(example(1, FIRST), example(2, MIDDLE), example(3, LAST))
    assert fates(curated) == ["curated", "duplicate", "curated"]


def test_of_a_chain_whose_best_row_is_in_the_middle_both_ends_leave_for_it(curate):
    rows = [example(1, FIRST), example(2, MIDDLE, created_at="2026-01-01T00:00:00+00:00"), example(3, LAST)]
    assert curate(*rows).fates["kept_id"].tolist() == ["r2", "", "r2"]


def test_a_row_that_is_unlike_the_one_its_better_copy_left_for_stays(curate):
    """r3 is like r2 alone, and r2 leaves for r1."""
    dates = {number: {"created_at": f"2026-01-0{number}T00:00:00+00:00"} for number in (1, 2, 3)}
    rows = [example(3, LAST, **dates[3]), example(2, MIDDLE, **dates[2]), example(1, FIRST, **dates[1])]
    assert curate(*rows).fates["kept_id"].tolist() == ["", "r1", ""]


def test_of_a_large_family_one_row_stays(curate):
    days = {number: f"2026-01-{31 - number}T00:00:00+00:00" for number in range(1, 19)}
    curated = curate(*(example(number, text(number), created_at=day) for number, day in days.items()))
    assert set(curated.fates["kept_id"]) == {"", "r18"}
    assert fates(curated).count("curated") == 1


def test_of_a_family_that_differs_in_numbers_one_row_of_each_answer_stays(curate):
    family = [example(at, text(words=["order", str(500 + at), *WORDS]), "ab"[at % 2]) for at in range(1, 11)]
    curated = curate(*family)
    assert fates(curated) == ["curated", "curated"] + ["duplicate"] * 8
    assert set(curated.fates["kept_id"]) == {"", "r1", "r2"}


def test_a_copy_of_a_near_copy_names_the_row_that_stays(curate):
    curated = curate(example(1, text()), example(2, text(19)), example(3, text(19).upper()))
    assert curated.fates["kept_id"].tolist() == ["", "r1", "r1"]
    assert curated.report.duplicates == {"same words": 1, "near": 1}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("quarantine", ["quarantined"] * 3),
        ("majority", ["curated", "duplicate", "quarantined"]),
        ("newest", ["quarantined", "quarantined", "curated"]),
    ],
)
def test_rival_labels_of_nearly_the_same_words_are_a_conflict(curate, policy, expected):
    rows = [
        example(1, text(), "a"),
        example(2, text(19), "a"),
        example(3, text(18), "b", created_at="2026-01-01T00:00:00+00:00"),
    ]
    curated = curate(*rows, on_conflict=policy)
    assert fates(curated) == expected
    assert curated.report.conflicts == {"same words": 0, "near": 3}


def test_a_copy_goes_to_quarantine_with_the_row_that_was_kept_for_it(curate):
    curated = curate(example(1, text(), "a"), example(2, text().upper(), "a"), example(3, text(19), "b"))
    assert fates(curated) == ["quarantined"] * 3
    assert set(curated.fates["code"]) == {"label_conflict"} and set(curated.fates["kept_id"]) == {""}


def test_copies_count_as_votes(curate):
    rows = [example(1, text(), "a"), example(2, text().upper(), "a"), example(3, text(19), "b")]
    assert fates(curate(*rows, on_conflict="majority")) == ["curated", "duplicate", "quarantined"]


def test_rival_labels_are_counted_and_warned_of_where_near_copies_are_kept(curate):
    curated = curate(example(1, text(), "a"), example(2, text(19), "b"), near="keep")
    assert fates(curated) == ["curated", "curated"]
    assert curated.report.conflicts == {"same words": 0, "near": 2}
    assert any(warning.startswith("2 curated rows have nearly the same words") for warning in curated.report.warnings)


@pytest.mark.parametrize("kind", ["extraction", "free_text"])
def test_nearly_the_same_words_may_have_other_answers_unless_they_are_labels(curate, kind):
    curated = curate(example(1, text(), "a"), example(2, text(19), "b"), kind=kind)
    assert (fates(curated), curated.report.conflicts["near"]) == (["curated", "curated"], 0)


def test_texts_that_differ_in_a_number_are_copies_but_no_rivals(curate):
    numbered = [text(words=["parcel", str(number), *WORDS]) for number in (11, 12, 13)]
    rows = [example(1, numbered[0], "a"), example(2, numbered[1], "a"), example(3, numbered[2], "b")]
    assert fates(curate(*rows)) == ["curated", "duplicate", "curated"]


def test_near_copies_in_another_given_partition_are_left_for_the_leakage_check(curate):
    rows = [example(1, text(), given_partition="train"), example(2, text(19), given_partition="test")]
    curated = curate(*rows)
    assert fates(curated) == ["curated", "curated"]
    assert (len(curated.near), curated.report.near_rows) == (1, 0)


def test_short_texts_are_for_review_and_never_dropped(curate):
    assert fates(curate(example(1, "please cancel my blue card"), example(2, "please cancel my blue card now"))) == [
        "curated",
        "curated",
    ]


def test_preference_pairs_and_tools_are_never_dropped_for_alike_words(curate):
    rows = [example(1, text(), "a", rejected="b"), example(2, text(19), "a", rejected="b")]
    assert fates(curate(*rows)) == ["curated", "curated"]
