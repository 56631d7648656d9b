"""Inputs that hold their own label."""

import pandas as pd
import pyarrow as pa
import pytest

from data_contracts.data_policy import Leakage
from tasks.partition.leaks.labels_in_input import labels_in_input
from tests.partition.leaky import TEST, TRAIN, leaky


def told(*rows: tuple[str, str]) -> dict[str, int]:
    """`rows` are (label, input); the column holds them the other way round, in two chunks."""
    inputs = pa.chunked_array([[text for _, text in rows[::-1]][:1], [text for _, text in rows[::-1]][1:]], pa.string())
    frame = pd.DataFrame({"output": [label for label, _ in rows], "position": range(len(rows) - 1, -1, -1)})
    return labels_in_input(frame, inputs)


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("refund", "I want a REFUND, now"),
        ("card_arrival", "about my card arrival: when?"),
        ("Card-Arrival", "card_arrival"),
        ("größe", "Welche GRÖSSE hat das"),
        ("refund", "ｒｅｆｕｎｄ please"),
        ("退款", "我要 退款 谢谢"),
    ],
)
def test_a_label_counts_as_whole_words_in_whatever_spelling(label: str, text: str) -> None:
    assert told((label, text)) == {label: 1}


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("refund", "it was refunded"),
        ("card arrival", "the arrival of my card"),
        ("refund", ""),
        ("", "anything"),
        ("a.c", "abc"),
    ],
)
def test_parts_of_words_and_other_orders_do_not_count(label: str, text: str) -> None:
    assert told((label, text)) == {}


def test_each_row_counts_for_its_own_label_only() -> None:
    rows = [("refund", "a refund"), ("refund", "the refund"), ("other", "a refund"), ("late", "too late")]
    assert told(*rows) == {"late": 1, "refund": 2}


def test_the_report_counts_evaluation_rows_of_a_classification_and_nothing_stops() -> None:
    data = leaky(
        {"train": ["please refund it", *TRAIN], "test": [*TEST, "no refund came"]}, output={"test": {20: "refund"}}
    )
    assert data.find(Leakage(), labelled=True).report.label_in_input == {"refund": 1}
    assert data.find(Leakage()).report.label_in_input == {}
    assert data.check(Leakage(), labelled=True).partitions is data.partitions
