import numpy as np
import pytest

from tasks.similarity import sketch as module
from tasks.similarity.phrases import RowCounts
from tasks.similarity.sketch import EMPTY, SIZE, sketch_matches, sketches
from tasks.similarity.texts import Texts
from tests.similarity.made import POLICY, unrelated_texts
from tests.similarity.test_pairs import GREETING, ORIGINAL


def sketched(texts: list[str]) -> np.ndarray:
    read = Texts.of(texts)
    return sketches(read, RowCounts.of(read), POLICY)


def test_a_sketch_is_the_smallest_hashes_of_the_rare_phrases_in_order() -> None:
    short, long = sketched(
        ["one two three four", " ".join(f"word{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(99))]
    )
    assert short.dtype == np.uint32
    assert (short != EMPTY).sum() == 2
    assert (long != EMPTY).sum() == SIZE == 32
    assert np.all(np.diff(long.astype(np.int64)) > 0)


def test_it_does_not_depend_on_the_rows_beside_it_unless_they_make_a_phrase_boilerplate() -> None:
    assert np.array_equal(sketched([ORIGINAL, *unrelated_texts(50)])[0], sketched([ORIGINAL.upper() + "!"])[0])
    greeted = [f"{GREETING} {text}" for text in unrelated_texts(30)]
    assert (sketched(greeted)[0] != EMPTY).sum() < (sketched(greeted[:1])[0] != EMPTY).sum()


def test_an_edited_copy_of_an_uploaded_text_is_known_again(monkeypatch: pytest.MonkeyPatch) -> None:
    uploaded = sketched([*unrelated_texts(300), ORIGINAL + " soon", ORIGINAL])
    today = sketched([*unrelated_texts(40, seed=5), ORIGINAL.replace("broken", "cracked"), ORIGINAL])
    found = sketch_matches(today, uploaded, POLICY)
    assert found[["today", "uploaded"]].to_numpy().tolist() == [[40, 301], [41, 301]]
    assert POLICY.near <= found["score"][0] < found["score"][1] == 1.0
    monkeypatch.setattr(module, "TODAY_AT_ONCE", 7)
    assert sketch_matches(today, uploaded, POLICY).equals(found)


def test_the_score_estimates_the_jaccard_of_long_texts() -> None:
    long = unrelated_texts(200, words=200)
    halves = [
        " ".join([*text.split()[:150], *other.split()[:50]]) for text, other in zip(long, long[::-1], strict=True)
    ]
    found = sketch_matches(sketched(halves), sketched(long), POLICY)
    assert len(found) > 180
    assert (found["today"] == found["uploaded"]).all()
    assert abs(found["score"].mean() - 148 / 248) < 0.03


def test_texts_without_a_phrase_match_nothing() -> None:
    nothing = sketched(["", "two words"])
    assert (nothing == EMPTY).all()
    assert sketch_matches(nothing, nothing, POLICY).empty
    assert sketch_matches(nothing[:0], nothing[:0], POLICY).empty
