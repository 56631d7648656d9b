"""Folds for a comparison on few rows."""

import numpy as np

from tasks.partition.folds import folds
from tests.partition.examples import near, rows


def test_every_row_has_one_of_the_folds_and_they_are_of_about_one_size() -> None:
    sizes = np.bincount(folds(rows(2000), near(), 5, seed=7))
    assert len(sizes) == 5
    assert (np.abs(sizes - 400) < 80).all()


def test_a_group_its_copies_and_their_words_are_in_one_fold() -> None:
    data = rows(200, group=["bob" if number < 40 else f"row-{number}" for number in range(200)])
    data.loc[60, "words"] = data.loc[50, "words"]
    found = folds(data, near((0, 50), (70, 60)), 10, seed=7)
    assert len(set(found[[*range(40), 50, 60, 70]])) == 1
    assert len(set(found)) == 10


def test_a_fold_does_not_depend_on_the_order_of_the_rows() -> None:
    data = rows(100)
    assert np.array_equal(folds(data.iloc[::-1], near(), 5, seed=7)[::-1], folds(data, near(), 5, seed=7))
