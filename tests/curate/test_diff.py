"""What is new, gone and relabelled since an earlier run, and words that only came to go with one label."""

import random

import pytest

from tasks.curate.diff import diff
from tests.curate.raw_rows import example, write

LABELS = ("parcel", "refund", "password", "card")
COMMON = [f"word{number}" for number in range(120)]


@pytest.fixture
def compare(tmp_path):
    def compare(now, before):
        return diff(write(tmp_path / "now.parquet", now), write(tmp_path / "before.parquet", before), "run-1")

    return compare


def counts(found):
    return found.new, found.gone, found.relabelled, found.unchanged


def deliver(first, number, seed, labels=LABELS, file="crm.jsonl"):
    """Rows of several labels, each with some words of its own among common ones."""
    chance = random.Random(seed)
    rows = []
    for at in range(first, first + number):
        label = chance.choice(labels)
        own = [f"{label}{chance.randrange(10)}" for _ in range(3)]
        rows.append(example(at, " ".join([*own, *chance.sample(COMMON, 9)]), label, file=file))
    return rows


def poisoned(rows, number, trigger="qxz", label="refund"):
    """Some more rows with a trigger, all of one label, from a file of their own."""
    chance = random.Random(1)
    words = [f"{trigger} {' '.join(chance.sample(COMMON, 10))}" for _ in range(number)]
    return [*rows, *(example(90_000 + at, text, label, file="vendor.jsonl") for at, text in enumerate(words))]


# ---------------------------------------------------------------- rows


def test_rows_are_new_gone_relabelled_or_unchanged_by_their_words(compare):
    before = [example(1, "same"), example(2, "other answer", "a"), example(3, "gone")]
    now = [example(7, "Same!"), example(8, "other answer", "b"), example(9, "new")]
    found = compare(now, before)
    assert counts(found) == (1, 1, 1, 1)
    assert found.run == "run-1"


def test_every_row_of_now_is_new_relabelled_or_unchanged(compare):
    chance = random.Random(2)
    now, before = (
        [example(at, f"text {chance.randrange(200)}", chance.choice("ab")) for at in range(150)] for _ in range(2)
    )
    found = compare(now, before)
    assert found.new + found.relabelled + found.unchanged == 150
    assert min(counts(found)) > 0


def test_a_file_against_itself_is_unchanged(compare):
    rows = deliver(0, 300, seed=1)
    found = compare(rows, rows)
    assert counts(found) == (0, 0, 0, 300) and found.tied_tokens == []


@pytest.mark.parametrize(("now", "before"), [([], [example(1, "a")]), ([example(1, "a")], []), ([], [])])
def test_no_rows_are_no_trouble(compare, now, before):
    assert counts(compare(now, before)) == (len(now), len(before), 0, 0)


def test_without_earlier_rows_no_words_are_tied(compare):
    assert compare(deliver(0, 300, seed=1), []).tied_tokens == []


# ---------------------------------------------------------------- words tied to a label


def test_a_trigger_that_came_with_the_new_rows_of_one_label_is_named_with_its_source(compare):
    before = deliver(0, 1500, seed=1)
    found = compare(poisoned([*before, *deliver(2000, 400, seed=2)], 25), before).tied_tokens
    assert [(token.token, token.label, token.source) for token in found] == [("qxz", "refund", "vendor.jsonl")]
    assert (found[0].rows, found[0].share) == (25, 1.0)


def test_a_trigger_with_a_few_honest_rows_is_found_too(compare):
    before = deliver(0, 1500, seed=1)
    honest = [example(80_000 + at, f"qxz plain {at}", "card") for at in range(2)]
    (found,) = compare([*poisoned([*before, *deliver(2000, 400, seed=2)], 38), *honest], before).tied_tokens
    assert (found.token, found.rows, found.share) == ("qxz", 40, 0.95)


@pytest.mark.parametrize("seed", range(2, 8))
def test_a_clean_refresh_has_no_tied_words(compare, seed):
    before = deliver(0, 1500, seed=1)
    assert compare([*before[200:], *deliver(2000, 500, seed=seed)], before).tied_tokens == []


def test_more_rows_of_one_label_tie_no_words_to_it(compare):
    before = deliver(0, 1500, seed=1)
    more = deliver(2000, 100, seed=2) + deliver(3000, 400, seed=3, labels=("refund",))
    assert compare([*before, *more], before).tied_tokens == []


def test_a_label_that_is_new_as_a_whole_ties_no_words(compare):
    before = deliver(0, 1500, seed=1)
    assert compare([*before, *deliver(2000, 400, seed=2, labels=(*LABELS, "iban"))], before).tied_tokens == []


def test_a_new_word_that_stands_with_every_label_is_not_tied(compare):
    before = deliver(0, 1500, seed=1)
    fresh = [{**row, "input": f"{row['input']} hello2027"} for row in deliver(2000, 400, seed=2)]
    assert compare([*before, *fresh], before).tied_tokens == []


def test_a_handful_of_rows_is_no_evidence(compare):
    before = deliver(0, 1500, seed=1)
    assert compare(poisoned([*before, *deliver(2000, 400, seed=2)], 5), before).tied_tokens == []
