"""Which pairs are alike, and of which kind."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_contracts.data_policy import Leakage
from tasks.similarity import search, workers
from tasks.similarity.pairs import KINDS, best_pairs, candidates
from tasks.similarity.phrases import RowCounts
from tasks.similarity.texts import Texts
from tests.similarity.made import POLICY, found, pairs_of, unrelated_texts

BANKING77 = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "banking77"
ORIGINAL = "my parcel from the garden shop arrived with a broken lid and two bags of seed are missing"
GREETING = "hello dear support team i hope that you are doing well today and thank you for your time in advance"
FORM = "customer name {} order number {} ordered on {} delivered to {} paid by {} and the reason for this message is {}"


@pytest.mark.parametrize(
    ("copy", "kind"),
    [
        (ORIGINAL, "same words"),
        (ORIGINAL.upper().replace(" ", "  ") + "!!", "same words"),
        (ORIGINAL.replace("two", "2"), "near"),
        (ORIGINAL.replace("broken", "cracked"), "near"),
        (ORIGINAL.replace("parcel", "parsel"), "near"),
        (ORIGINAL.replace("garden", "tool").replace("bags", "boxes").replace("arrived", "came"), "near"),
        ("two bags of seed are missing and my parcel from the garden shop arrived with a broken lid", "near"),
        ("my parcel from the garden shop arrived with a broken lid", "near"),
        ("good morning, " + ORIGINAL + ", please help", "near"),
    ],
    ids=["exact", "case and space", "number", "word edit", "typo", "3 edits", "reordered", "excerpt", "wrapped"],
)
def test_a_changed_copy_is_found_among_unrelated_texts(copy: str, kind: str) -> None:
    others = unrelated_texts(200)
    pairs = found([*others[:50], copy], [*others[50:], ORIGINAL])
    assert pairs[["judged", "trained", "kind"]].to_numpy().tolist() == [[50, 150, kind]]


def test_a_text_wrapped_in_one_many_times_as_long_shares_a_passage() -> None:
    around = unrelated_texts(2, words=60)
    pairs = found([f"{around[0]} {ORIGINAL} {around[1]}"], [ORIGINAL, *unrelated_texts(50, seed=3)])
    assert pairs["kind"].tolist() == ["shared passages"]
    assert pairs["evidence"][0] >= 12


def test_texts_that_differ_in_numbers_only_are_a_kind_of_their_own() -> None:
    trained = ["set a timer for 5 minutes", "refund order 4711 of 12 May please"]
    pairs = found(["refund order 99-1 of 3 may please!", "set a timer for 300 minutes"], trained)
    assert pairs["kind"].tolist() == ["same but for numbers"] * 2
    assert pairs["trained"].tolist() == [1, 0]


def test_of_several_sources_the_most_severe_kind_counts_and_then_the_higher_score() -> None:
    edited = [ORIGINAL.replace("broken", "cracked"), ORIGINAL.replace("broken", "cracked").replace("two", "ten")]
    assert pairs_of([ORIGINAL], [edited[1], edited[0]]) == [(0, 1)]
    assert pairs_of([ORIGINAL], [*edited, ORIGINAL.upper(), ORIGINAL]) == [(0, 2)]


def test_a_copy_scores_one_and_an_edited_one_less() -> None:
    score = found([ORIGINAL, ORIGINAL.replace("broken", "cracked")], [ORIGINAL])["score"]
    assert score[0] == 1.0
    assert POLICY.near <= score[1] < 1.0


def test_a_phrase_that_many_rows_share_is_boilerplate_and_joins_nothing() -> None:
    texts = [f"{GREETING} {text}" for text in unrelated_texts(200)]
    assert pairs_of(texts[:100], texts[100:]) == []


def test_rows_with_the_same_boilerplate_around_an_edited_core_are_found() -> None:
    texts = [f"{GREETING} {text} {GREETING}" for text in [*unrelated_texts(200), ORIGINAL]]
    edited = ORIGINAL.replace("garden", "tool").replace("bags", "boxes").replace("arrived", "came")
    assert pairs_of([f"{GREETING} {edited} {GREETING}"], texts) == [(0, 200)]


def test_one_form_filled_in_by_two_is_no_leak_and_a_template_with_other_names_is() -> None:
    values = iter(unrelated_texts(400, seed=4, words=5))
    forms = [FORM.format(*(next(values) for _field in range(6))) for _row in range(40)]
    assert pairs_of(forms[:8], [*forms[8:], *unrelated_texts(300)]) == []
    names = ["anna", "boris", "clara"]
    letters = [ORIGINAL.replace("garden", name) + f" so {name} wants the money back" for name in names]
    assert pairs_of(letters[:1], letters[1:]) == [(0, 0)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("where is my card", "where is my card now"),
        ("how do i pay by card", "how do i pay by bank"),
        ("hi", "hi there"),
        ("4711 99", "12 7"),
    ],
)
def test_short_texts_that_share_a_turn_of_phrase_are_not_alike(one: str, other: str) -> None:
    assert pairs_of([one], [other]) == []


def test_a_form_in_more_rows_than_boilerplate_may_be_in_joins_nothing() -> None:
    timers = [f"set a {number} minute timer" for number in range(30)]
    assert pairs_of(timers[:5], timers[5:]) == []
    assert len(pairs_of(timers[:5], timers[5:15])) == 5


@pytest.mark.parametrize("texts", [["one"], ["?!", "", "two words"]])
def test_texts_without_a_trigram_are_compared_by_their_words(texts: list[str]) -> None:
    assert pairs_of(texts, texts[::-1]) == [(row, len(texts) - 1 - row) for row in range(len(texts))]


@pytest.mark.parametrize(("judged", "trained"), [([], []), ([], [ORIGINAL]), ([ORIGINAL], [])])
def test_where_one_side_is_empty_nothing_is_found(judged: list[str], trained: list[str]) -> None:
    assert pairs_of(judged, trained) == []
    one, other = Texts.of(judged), Texts.of(trained)
    assert list(candidates(one, other, RowCounts.of(one, other), POLICY)) == ["judged", "trained", "evidence", "rank"]


def test_a_text_in_a_language_without_spaces_is_found_when_a_letter_changes() -> None:
    text = "我的包裹昨天到了但是盖子坏了而且少了两袋种子请尽快给我退款"
    assert pairs_of([text.replace("昨天", "今天")], ["今天天气很好我们去公园玩吧", text]) == [(0, 1)]


def test_the_first_rows_of_a_widespread_template_stand_for_all() -> None:
    texts = [ORIGINAL.replace("garden", word) for word in unrelated_texts(5000, words=1, seed=8)][:90]
    others = unrelated_texts(20_000, words=8)
    pairs = found(texts[:10], [*others, *texts[10:]])
    assert len(pairs) == 10
    assert pairs["trained"].min() >= len(others)


def mixed(rows: int = 3000) -> tuple[Texts, Texts]:
    """Edited copies of a fifth of the rows, and the rows: each list of rows overflows for some phrase."""
    base = [f"{GREETING} {text}" for text in unrelated_texts(rows, words=15, seed=2)]
    edited = [text.rsplit(" ", 2)[0] + " quite changed" for text in base[::5]]
    return Texts.of(edited), Texts.of(base)


def test_the_result_does_not_depend_on_threads_blocks_or_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    judged, trained = mixed()
    counts = RowCounts.of(judged, trained)
    whole = best_pairs(judged, trained, counts, POLICY)
    few = candidates(judged, trained, counts, replace_near(0.99), top=2)
    assert len(whole) == len(judged)
    for threads, keys, rows in ((1, 2**24, 4096), (3, 500, 7), (7, 3000, 100)):
        monkeypatch.setattr(workers, "WORKERS", threads)
        monkeypatch.setattr(workers, "ROWS_A_PIECE", rows)
        monkeypatch.setattr(search, "KEYS_AT_ONCE", keys)
        again = RowCounts.of(judged.take(slice(0, 100))) + RowCounts.of(trained, judged.take(slice(100, None)))
        assert np.array_equal(again.counts, counts.counts)
        pd.testing.assert_frame_equal(best_pairs(judged, trained, again, POLICY), whole)
        pd.testing.assert_frame_equal(candidates(judged, trained, again, replace_near(0.99), top=2), few)


def test_judged_rows_are_judged_alike_alone_and_together() -> None:
    judged, trained = mixed()
    counts = RowCounts.of(judged, trained)
    whole = best_pairs(judged, trained, counts, POLICY)
    parts = [
        best_pairs(judged.take(slice(first, first + 77)), trained, counts, POLICY).assign(first=first)
        for first in range(0, len(judged), 77)
    ]
    together = pd.concat(parts, ignore_index=True)
    together["judged"] += together.pop("first")
    pd.testing.assert_frame_equal(together, whole)


def replace_near(near: float) -> Leakage:
    return POLICY.model_copy(update={"near": near, "passages": near})


def test_candidates_are_the_likeliest_sources_of_rows_that_are_not_flagged() -> None:
    likely = (
        ORIGINAL.split(" arrived ", maxsplit=1)[0]
        + " never came so please tell me where it is or send me another one today"
    )
    others = unrelated_texts(50)
    one, other = Texts.of([ORIGINAL.upper(), likely, others[0][:20]]), Texts.of([*others[1:], ORIGINAL])
    asked = candidates(one, other, RowCounts.of(one, other), POLICY)
    assert asked[["judged", "trained", "rank"]].to_numpy().tolist() == [[1, 49, 0]]
    assert asked["evidence"][0] > 0


def test_kinds_are_in_the_order_of_severity() -> None:
    assert KINDS == ("same words", "same but for numbers", "near", "shared passages")


def test_texts_can_be_compared_without_their_source() -> None:
    judged, trained = mixed(200)
    bare = [replace(texts, source=texts.source[:0]) for texts in (judged, trained)]
    counts = RowCounts.of(judged, trained)
    pd.testing.assert_frame_equal(best_pairs(*bare, counts, POLICY), best_pairs(judged, trained, counts, POLICY))


@pytest.mark.skipif(not BANKING77.is_dir(), reason="public test data is not here")
def test_banking77_holds_25_same_words_and_a_tenth_of_its_test_rows_are_near_a_train_row() -> None:
    train, test = (pd.read_csv(BANKING77 / f"{name}.csv") for name in ("train", "test"))
    pairs = found(test["text"].tolist(), train["text"].tolist())
    kinds = pairs["kind"].value_counts()
    assert kinds["same words"] == 25
    assert 280 <= kinds["near"] <= 320
    assert kinds["shared passages"] <= 20
    agree = train["category"].to_numpy()[pairs["trained"]] == test["category"].to_numpy()[pairs["judged"]]
    assert agree.mean() > 0.92
