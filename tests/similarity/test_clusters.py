import pandas as pd
import pytest

from tasks.similarity import clusters as module
from tasks.similarity.clusters import clusters, connected, near_pairs
from tasks.similarity.phrases import RowCounts
from tasks.similarity.texts import Texts
from tests.similarity.made import POLICY, pairs_of, unrelated_texts
from tests.similarity.test_pairs import GREETING, ORIGINAL


def number_of_clusters(texts: list[str]) -> int:
    read = Texts.of(texts)
    return len(set(clusters(read, RowCounts.of(read), POLICY).tolist()))


def pairs_within(texts: list[str]) -> pd.DataFrame:
    read = Texts.of(texts)
    return near_pairs(read, RowCounts.of(read), POLICY)


def test_each_pair_comes_once_the_earlier_row_on_the_left() -> None:
    found = pairs_within([ORIGINAL, *unrelated_texts(20), ORIGINAL + " please", ORIGINAL + " today"])
    assert found[["left", "right"]].to_numpy().tolist() == [[0, 21], [0, 22], [21, 22]]
    assert set(found["kind"]) == {"near"}


def test_copies_are_paired_with_the_first_of_them() -> None:
    found = pairs_within([ORIGINAL, ORIGINAL.upper(), f"{ORIGINAL}!", "order 5 of may two", "order 7 of may two"])
    assert found[["left", "right"]].to_numpy().tolist() == [[0, 1], [0, 2], [3, 4]]
    assert found["kind"].tolist() == ["same words", "same words", "same but for numbers"]


def test_clusters_reach_through_a_chain_of_copies() -> None:
    words = unrelated_texts(1, words=40)[0].split()
    chain = [" ".join(words[start : start + 20]) for start in (0, 6, 12, 18)]
    assert (0, 0) not in pairs_of(chain[:1], chain[3:])
    assert number_of_clusters([*chain, *unrelated_texts(30, seed=9)]) == 31


def test_rows_with_a_greeting_in_common_stay_apart_and_a_family_of_copies_stays_together() -> None:
    assert number_of_clusters([f"{GREETING} {text}" for text in unrelated_texts(200)]) == 200
    assert number_of_clusters([f"{GREETING} {text}" for text in unrelated_texts(10, words=6)]) == 1


def test_short_texts_are_in_one_cluster_by_the_same_words_only() -> None:
    short = ["set a 5 minute timer", "set a 7 minute timer", "Set a 5-minute timer!"]
    assert number_of_clusters(short) == 2
    long = [f"{text} for the bread in the oven" for text in short]
    assert number_of_clusters(long) == 1


@pytest.mark.parametrize("texts", [[], ["one"], ["?!", "", "two words"]])
def test_texts_without_a_trigram_make_no_pair_and_no_error(texts: list[str]) -> None:
    assert number_of_clusters(texts) == len(texts)
    assert pairs_within(texts).empty


def test_a_template_of_more_rows_than_a_list_holds_is_one_cluster() -> None:
    names = [
        a + b + c for a in ("ba", "ko", "ri") for b in ("len", "mos", "nur", "vik") for c in ("a", "o", "eth", "um")
    ]
    letters = [ORIGINAL.replace("garden", name) for name in names]
    others = unrelated_texts(12_000, words=8)
    read = Texts.of([*letters[:20], *others, *letters[20:]])
    found = clusters(read, RowCounts.of(read), POLICY)
    assert len({*found[:20].tolist(), *found[12_020:].tolist()}) == 1
    assert (found == found[0]).sum() == len(letters)


def test_few_keys_a_row_find_the_pairs_that_all_of_them_find(monkeypatch: pytest.MonkeyPatch) -> None:
    base = unrelated_texts(400, words=40)
    edited = [" ".join(["new", *text.split()[5:30]]) for text in base[:200]]
    few = pairs_within([*base, *edited])
    monkeypatch.setattr(module, "KEYS_A_ROW", 1000)
    assert len(few) == 200
    pd.testing.assert_frame_equal(pairs_within([*base, *edited]), few)


def test_rows_that_share_any_key_are_one_unit_and_a_missing_key_joins_nothing() -> None:
    one = pd.Series(["a", "a", "b", None, None])
    other = pd.Series(["x", "y", "y", "z", "w"])
    units = connected(5, [one, other])
    assert units[0] == units[1] == units[2]
    assert len(set(units)) == 3
