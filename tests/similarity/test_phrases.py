import numpy as np

from data_contracts.data_policy import Leakage
from tasks.similarity.phrases import MIN_BOILERPLATE_ROWS, RowCounts
from tasks.similarity.texts import Texts
from tests.similarity.made import POLICY, unrelated_texts

GREETING = "hello dear support team i hope that you are doing well"


def test_each_row_counts_once_for_a_phrase_however_often_it_says_it() -> None:
    counts = RowCounts.of(Texts.of(["one two three " * 50]))
    assert counts.counts.max() == 1
    assert np.count_nonzero(counts.counts) == 4  # three turns of the phrase, and the form


def test_counts_of_parts_add_up_to_those_of_the_whole() -> None:
    texts = Texts.of(unrelated_texts(300))
    parts = RowCounts.of(texts.take(slice(0, 100))) + RowCounts.of(
        texts.take(slice(100, 120)), texts.take(range(120, 300))
    )
    whole = RowCounts.of(texts)
    assert parts.rows == whole.rows == 300
    assert np.array_equal(parts.counts, whole.counts)


def test_a_phrase_of_up_to_twenty_rows_always_counts() -> None:
    texts = Texts.of([f"{GREETING} {text}" for text in unrelated_texts(30)])
    assert RowCounts.of(texts).most(POLICY) == MIN_BOILERPLATE_ROWS == 20
    assert RowCounts.of(texts.take(slice(0, 20))).boilerplate(texts, POLICY) == []
    assert RowCounts.of(texts).boilerplate(texts, POLICY) == [(GREETING, 30)]


def test_above_it_the_policy_says_in_which_share_of_the_rows_a_phrase_is_boilerplate() -> None:
    rows = RowCounts(1_000_000, np.zeros(1, np.uint32))
    assert rows.most(POLICY) == 5000
    assert rows.most(Leakage(max_row_share=0.001)) == 1000


def test_dropped_phrases_are_told_as_they_stand_in_the_rows_the_commonest_first() -> None:
    closing = "with kind regards your customer number 4711"
    bodies = unrelated_texts(60)
    texts = Texts.of([f"{GREETING}! {text}" for text in bodies] + [f"{text}, {closing}" for text in bodies[:25]])
    told = RowCounts.of(texts).boilerplate(texts, POLICY)
    assert told[0] == (GREETING, 60)
    assert told[1] == ("with kind regards your customer number 0", 25)
    assert RowCounts.of(texts).boilerplate(texts, POLICY, limit=1) == told[:1]


def test_the_rarer_a_phrase_the_more_it_says_and_one_of_many_rows_says_nothing() -> None:
    cut = RowCounts(1_000_000, np.zeros(1, np.uint32)).cut(POLICY)
    assert cut.most == 5000
    assert cut.weight[0] == cut.weight[2] == np.float32(np.log(500))  # in one row, or in this one and another
    assert np.all(np.diff(cut.weight) <= 0)
    assert cut.weight[-1] == 0
