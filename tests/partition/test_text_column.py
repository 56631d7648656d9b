"""Texts by position out of a chunked column."""

import pyarrow as pa
import pytest

from tasks.partition.leaks.text_column import texts_at


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_texts_come_in_the_order_asked_for_from_whatever_chunk(kind: pa.DataType) -> None:
    column = pa.chunked_array([["a", "b"], [], ["c"], ["d", "e"]], kind)
    assert texts_at(column, [4, 0, 2, 2, 1]).to_pylist() == ["e", "a", "c", "c", "b"]
    assert texts_at(column, []).to_pylist() == []
    assert texts_at(pa.chunked_array([], kind), []).to_pylist() == []


def test_a_column_larger_than_one_string_array_can_be_is_no_obstacle() -> None:
    chunk = pa.array(["x" * 1_000_000] * 400)
    column = pa.chunked_array([chunk] * 6)  # 2.4 GB of text, 0.4 GB of memory
    assert [len(text) for text in texts_at(column, [2_399, 0]).to_pylist()] == [1_000_000] * 2
