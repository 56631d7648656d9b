"""What is kept of uploaded texts."""

import numpy as np

from tasks.partition.fingerprints import SKETCH, Sketches, pack, unpack, unseen
from tests.partition.examples import words

WORDS = [words(number) for number in range(5)]


def sketches(rows: int, seed: int = 1) -> Sketches:
    return np.random.default_rng(seed).integers(0, 2**32, (rows, SKETCH), dtype=np.uint32)


def test_words_and_sketches_come_back_in_their_order() -> None:
    found, kept = unpack([pack(WORDS, sketches(5))])
    assert found == WORDS
    assert kept.dtype == np.uint32
    assert np.array_equal(kept, sketches(5))


def test_a_text_of_several_uploads_comes_back_once_as_it_was_first() -> None:
    found, kept = unpack([pack(WORDS[:3], sketches(3)), pack(WORDS[1:], sketches(4, seed=2))])
    assert found == WORDS
    assert np.array_equal(kept, np.vstack([sketches(3), sketches(4, seed=2)[2:]]))


def test_nothing_uploaded_is_nothing_known() -> None:
    for blobs in ([], [pack([], sketches(0))]):
        found, kept = unpack(blobs)
        assert found == []
        assert kept.shape == (0, SKETCH)


def test_the_same_rows_make_the_same_bytes() -> None:
    assert pack(WORDS, sketches(5)) == pack(WORDS, sketches(5))


def test_what_an_upload_adds_is_told_from_what_is_known() -> None:
    blobs = [pack(WORDS[:2], sketches(2)), pack(WORDS[3:4], sketches(1))]
    assert unseen(WORDS, blobs).tolist() == [False, False, True, False, True]
    assert unseen(WORDS, []).all()
