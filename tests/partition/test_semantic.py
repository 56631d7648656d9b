"""The semantic judge: what it is asked about, what its answer leads to."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from data_contracts.data_policy import Leakage, Semantic
from tasks.errors import LeakageError
from tasks.partition.leaks.semantic import Judge
from tests.partition.leaky import SPARE, TRAIN, Leaky, leaky, planted, unrelated_texts
from tests.providers.scripted_embeddings import Scripted, scripted_embeddings

ORIGINAL = unrelated_texts(1, seed=9, words=30)[0]
MARK = "er"  # "in other words": the server takes a word with this ending for the word itself


def rephrased(text: str, kept: int = 4) -> str:
    """Other words but for the first few, which let the search name the original as a candidate."""
    words = text.split()
    return " ".join([*words[:kept], *(word + MARK for word in words[kept:])])


def meaning(text: str) -> list[float]:
    """Sum of one direction a word."""
    words = [word.removesuffix(MARK) for word in text.lower().split()]
    seeds = [int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest()) for word in words]
    return [float(part) for part in sum(np.random.default_rng(seed).normal(size=64) for seed in seeds)]


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted_embeddings(meaning) as scripted:
        yield scripted


def policy(server: Scripted, judge: str = "review", **more: Any) -> Leakage:
    return Leakage(semantic=Semantic(base_url=server.url, model="m", threshold=0.9, on_leak=judge), **more)


def copied() -> Leaky:
    return planted([ORIGINAL, SPARE[3]], [rephrased(ORIGINAL), SPARE[4]])


def test_a_copy_in_other_words_is_found_by_its_meaning_only(server: Scripted) -> None:
    assert copied().find(Leakage()).pairs.empty
    (pair,) = copied().find(policy(server)).pairs.to_dict("records")
    assert (pair["evaluation_id"], pair["train_id"], pair["kind"]) == ("test-20", "train-60", "same meaning")
    assert pair["score"] > 0.9


def test_only_the_likeliest_sources_of_unflagged_rows_are_sent_never_the_corpus(server: Scripted) -> None:
    likely = [rephrased(ORIGINAL, kept) for kept in (10, 8, 7, 6, 5)]
    data = planted([*likely, SPARE[0]], [ORIGINAL, SPARE[0]])
    data.find(policy(server, passages=1, near=1))
    assert {ORIGINAL, *likely[:3]} <= set(server.texts)
    assert not {*likely[3:], SPARE[0]} & set(server.texts)


def test_a_row_that_is_flagged_for_another_reason_is_not_sent(server: Scripted) -> None:
    data = planted([ORIGINAL], [rephrased(ORIGINAL)], group={"train": {3: "ann"}, "test": {20: "ann"}})
    assert data.pairs(policy(server)) == [("test-20", "train-3", "same group")]
    assert rephrased(ORIGINAL) not in server.texts


def test_nothing_is_sent_where_no_judge_is_named_or_nothing_is_alike(server: Scripted) -> None:
    copied().find(Leakage())
    leaky({"train": TRAIN[:3], "test": [f"quite unlike {number}" for number in range(3)]}).find(policy(server))
    assert server.asked == []


def test_for_review_a_pair_stops_nothing(server: Scripted) -> None:
    data = copied()
    found = data.find(policy(server))
    assert found.report.review["test"]["same meaning"] == 1
    assert sum(found.report.found["test"].values()) == 0
    assert data.check(policy(server)).partitions is data.partitions


def test_it_stops_the_run_where_the_judge_may(server: Scripted) -> None:
    with pytest.raises(LeakageError, match="1 test rows"):
        copied().check(policy(server, "stop"))
    with pytest.raises(LeakageError, match="1 test rows"):
        copied().check(policy(server, "stop", on_leak="withhold"))


def test_the_train_side_is_withheld_where_the_judge_says_so_whatever_other_leaks_lead_to(server: Scripted) -> None:
    passed = copied().check(policy(server, "withhold", on_leak="stop"))
    assert passed.partitions.withheld["id"].tolist() == ["train-60"]
    assert passed.report.found["test"]["same meaning"] == 1


def test_it_stops_the_run_too_where_only_a_withheld_row_had_hidden_the_copy(server: Scripted) -> None:
    data = planted([ORIGINAL, rephrased(ORIGINAL).upper()], [rephrased(ORIGINAL)])
    assert data.pairs(policy(server, "stop", on_leak="withhold")) == [("test-20", "train-61", "same words")]
    with pytest.raises(LeakageError):
        data.check(policy(server, "stop", on_leak="withhold"))


def test_each_pair_is_asked_about_once_however_often_the_partitions_are_looked_at(server: Scripted) -> None:
    data = planted([ORIGINAL, rephrased(ORIGINAL, 6)], [rephrased(ORIGINAL), SPARE[4]])
    data.check(policy(server, "withhold", passages=1, near=1))
    assert sorted(server.texts).count(ORIGINAL) == 1


def test_short_texts_of_the_same_meaning_are_for_review(server: Scripted) -> None:
    text = "send the golden ring back"
    pairs = planted([f"{text} now"], [f"{text} nower"]).find(policy(server, "stop", near=1)).pairs
    assert pairs[["kind", "review"]].values.tolist() == [["same meaning", True]]


def test_the_judges_progress_is_heard(server: Scripted) -> None:
    heard: list[tuple[str, int, int]] = []
    copied().find(policy(server), progress=lambda *told: heard.append(told))
    what, done, of = heard[-1]
    assert what == "pairs judged by meaning"
    assert done == of > 0


def test_scores_are_cosines_in_the_order_of_the_pairs() -> None:
    import pandas as pd

    vectors = {"a": [1, 0], "b": [0, 1], "c": [0.6, 0.8]}
    asked: list[str] = []

    def embed(texts: Any) -> Any:
        asked.extend(texts)
        return np.array([vectors[text] for text in texts], np.float32)

    judge = Judge(pa.chunked_array([["a", "b"], ["c"]]), embed, lambda what, done, of: None)
    pairs = pd.DataFrame({"evaluation": [2, 0, 2], "train": [1, 2, 0]})
    np.testing.assert_allclose(judge.scores(pairs), [0.8, 0.6, 0.6], rtol=1e-6)
    np.testing.assert_allclose(judge.scores(pairs[::-1]), [0.6, 0.6, 0.8], rtol=1e-6)
    assert asked == ["a", "b", "c"]
