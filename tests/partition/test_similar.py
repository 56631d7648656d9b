import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_contracts.data_policy import Leakage
from data_contracts.text import words_hash
from tasks.partition import similar
from tests.partition.examples import unrelated_texts

BANKING77 = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "banking77"
POLICY = Leakage()
ORIGINAL = "my parcel from the garden shop arrived with a broken lid and two bags of seed are missing"
GREETING = "hello dear support team i hope that you are doing well today and thank you for your time in advance"


def pairs_of(left: list[str], right: list[str], policy: Leakage = POLICY) -> list[tuple[int, int]]:
    found = similar.near_pairs(left, right, policy)
    return list(zip(found["left"], found["right"], strict=True))


@pytest.mark.parametrize(
    "copy",
    [
        ORIGINAL,
        ORIGINAL.upper().replace(" ", "  ") + "!!",
        ORIGINAL.replace("broken", "cracked"),
        ORIGINAL.replace("parcel", "parsel"),
        "two bags of seed are missing and my parcel from the garden shop arrived with a broken lid",
        "my parcel from the garden shop arrived with a broken lid",
        "good morning, " + ORIGINAL + ", please help",
    ],
    ids=["exact", "case and space", "word edit", "typo", "reordered", "excerpt", "wrapped"],
)
def test_a_changed_copy_is_found_among_unrelated_texts(copy: str) -> None:
    others = unrelated_texts(200)
    assert pairs_of([*others[:50], copy], [ORIGINAL, *others[50:]]) == [(50, 0)]


def test_a_copy_scores_one_and_an_edited_one_less() -> None:
    found = similar.near_pairs([ORIGINAL, ORIGINAL.replace("broken", "cracked")], [ORIGINAL], POLICY)
    assert found["score"].iloc[0] == 1.0
    assert POLICY.near <= found["score"].iloc[1] < 1.0


def test_a_phrase_that_many_rows_share_is_boilerplate_and_joins_nothing() -> None:
    texts = [f"{GREETING} {text}" for text in unrelated_texts(200)]
    assert pairs_of(texts[:100], texts[100:]) == []
    assert similar.rare_trigrams(texts, POLICY).boilerplate >= len(GREETING.split()) - 2
    assert len(set(similar.clusters(texts, POLICY))) == 200


def test_the_same_phrase_in_few_rows_joins_them() -> None:
    texts = [f"{GREETING} {text}" for text in unrelated_texts(10, words=6)]
    assert len(set(similar.clusters(texts, POLICY))) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("where is my card", "where is my card now"),
        ("how do i pay by card", "how do i pay by bank"),
        ("hi", "hi there"),
    ],
)
def test_short_texts_that_share_a_turn_of_phrase_are_not_near(one: str, other: str) -> None:
    assert pairs_of([one], [other]) == []


@pytest.mark.parametrize("texts", [[], ["one"], ["?!", "", "two words"]])
def test_texts_without_a_trigram_make_no_pair_and_no_error(texts: list[str]) -> None:
    assert pairs_of(texts, texts) == []
    assert len(set(similar.clusters(texts, POLICY))) == len(texts)


def test_a_row_on_both_sides_is_paired_once_and_never_with_itself() -> None:
    copies = [ORIGINAL, ORIGINAL + " please", ORIGINAL + " today"]
    trigrams = similar.rare_trigrams(copies, POLICY)
    found = similar.compare(trigrams, np.arange(3), np.arange(3), POLICY)
    assert list(zip(found["left"], found["right"], strict=True)) == [(0, 1), (0, 2), (1, 2)]


def test_pairs_do_not_depend_on_how_many_rows_are_compared_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = unrelated_texts(60)
    edited = [text.rsplit(" ", 1)[0] + " changed" for text in texts]
    whole = similar.near_pairs(texts, edited, POLICY)
    monkeypatch.setattr(similar, "MAX_CANDIDATES", 25)
    pd.testing.assert_frame_equal(similar.near_pairs(texts, edited, POLICY), whole)
    assert len(whole) == 60


def test_clusters_reach_through_a_chain_of_copies() -> None:
    words = unrelated_texts(1, words=40)[0].split()
    chain = [" ".join(words[start : start + 20]) for start in (0, 6, 12, 18)]
    assert (0, 3) not in pairs_of(chain, chain)
    assert len(set(similar.clusters([*chain, *unrelated_texts(30, seed=9)], POLICY))) == 31


def test_texts_that_differ_in_numbers_only_have_one_form() -> None:
    texts = ["refund order 4711 of 12 May please", "refund order 99-1 of 3 may please!", "refund order of may please"]
    found = similar.forms(texts, POLICY)
    assert found[0] == similar.forms(["refund order 1 of 1 may please"], POLICY)[0]
    assert found[2] not in (found[0], found[1])


@pytest.mark.parametrize("texts", [["4711 99", "12 7"], [f"set a {n} minute timer" for n in range(30)]])
def test_bare_numbers_and_widespread_forms_join_nothing(texts: list[str]) -> None:
    assert similar.forms(texts, POLICY).isna().all()


def test_rows_that_share_any_key_are_one_unit_and_a_missing_key_joins_nothing() -> None:
    one = pd.Series(["a", "a", "b", None, None])
    other = pd.Series(["x", "y", "y", "z", "w"])
    units = similar.connected(5, [one, other])
    assert units[0] == units[1] == units[2]
    assert len(set(units)) == 3


@pytest.mark.skipif(not BANKING77.is_dir(), reason="public test data is not here")
def test_banking77_holds_25_same_words_and_about_200_near_rows_found_in_seconds() -> None:
    train, test = (pd.read_csv(BANKING77 / f"{name}.csv")["text"] for name in ("train", "test"))
    started = time.perf_counter()
    found = similar.near_pairs(test.tolist(), train.tolist(), POLICY)
    assert time.perf_counter() - started < 20  # about 2 s on a quiet machine, imports included
    same = test.map(words_hash).isin(set(train.map(words_hash)))
    assert same.sum() == 25
    assert 190 <= len(set(found["left"]) - set(np.flatnonzero(same))) <= 240
