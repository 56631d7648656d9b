"""Lines and CSV records on their own: whatever blocks the bytes come in, and whatever well-formed CSV they hold."""

import csv
import io
import random

import pytest

from tasks.curate.reading.csv_lines import Grammar, Logical
from tasks.curate.reading.lines import lines

LIMIT = 1000
WORDS = ["hello", "my, friend", 'say "hi"', "a\nb", "Dear team,\n\nit broke\nbye", "", "7", "\r\n", "x", "yes\nno, no"]


def in_blocks(content, size):
    return [content[at : at + size] for at in range(0, len(content), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_are_the_same_in_blocks_of_any_size(size):
    content = b"\xef\xbb\xbfone\r\n\n" + b'x"' * 900 + b"\ntwo\x85\xe2\x80\xa8\nthree"
    found = list(lines(in_blocks(content, size), LIMIT))
    assert [line.number for line in found] == [1, 2, 3, 4, 5]
    assert [line.content[:9] for line in found] == [b"one\r", b"", b'x"x"x"x"x', b"two\x85\xe2\x80\xa8", b"three"]
    assert [(line.offset, line.length) for line in found] == [(3, 5), (8, 1), (9, 1801), (1810, 8), (1818, 5)]
    assert LIMIT < len(found[2].content) < LIMIT + 9
    assert found[2].odd == ((900 - found[2].content.count(b'"')) % 2 == 1)


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf"])
def test_nothing_has_no_lines(content):
    assert list(lines([content], LIMIT)) == []


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("width", [2, 3, 4])
def test_well_formed_csv_is_read_as_it_was_written(width, end):
    rng = random.Random(f"{width}{end}")
    grammar = Grammar(",")
    for _ in range(200):
        rows = [[" ".join(rng.choices(WORDS, k=rng.randint(1, 3))) for _ in range(width)] for _ in range(6)]
        stream = io.StringIO(newline="")
        csv.writer(stream, lineterminator=end).writerows(rows)
        content = stream.getvalue().encode()
        found = list(Logical(lines(in_blocks(content, rng.randint(1, 99)), LIMIT), grammar, LIMIT).records(width))
        assert [grammar.cells(line.content.decode().removesuffix("\r")) for line in found] == rows
        assert sum(line.length for line in found) == len(content)
