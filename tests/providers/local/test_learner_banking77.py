"""The shape that public data gives: names, then examples, then a tune; each knows more than the one before."""

import csv
import random
from pathlib import Path

import numpy as np
import pytest

from tasks.providers.local import trainer
from tasks.providers.local.learner import Answerer
from tasks.providers.local.learning.features import bag
from tasks.providers.local.learning.reader import Example
from tasks.providers.local.learning.teaching import RightAnswers
from tests.providers.local.learning.lessons import LARGE, Pair, accuracy, ask, request, tune

BANKING77 = Path(__file__).resolve().parents[4] / "shared" / "data" / "banking77"
pytestmark = pytest.mark.skipif(not BANKING77.exists(), reason="public test data is not there")


def _pairs(part: str) -> list[Pair]:
    with (BANKING77 / f"{part}.csv").open(encoding="utf-8", newline="") as file:
        return [(row["text"], row["category"]) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def train() -> list[Pair]:
    return _pairs("train")


@pytest.fixture(scope="module")
def cases() -> list[Pair]:
    return random.Random(7).sample(_pairs("test"), 300)


def _nearest(train: list[Pair], question: str, count: int, index) -> list[Pair]:
    vectoriser, rows = index
    close = (vectoriser.transform([question]) @ rows.T).toarray()[0]
    return [train[at] for at in np.argsort(close)[-count:]]


def test_names_then_similar_examples_then_a_tune_each_do_better(train, cases, tmp_path):
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectoriser = TfidfVectorizer()
    index = vectoriser, vectoriser.fit_transform([text for text, _ in train])
    names = "Labels:\n" + "\n".join(f"- {label}" for label in sorted({label for _, label in train}))
    base = Answerer(LARGE, None)
    by_examples = [ask(base, request(text, names, _nearest(train, text, 8, index))).text for text, _ in cases]
    few_shot = sum(given == label for given, (_, label) in zip(by_examples, cases, strict=True)) / len(cases)
    assert 0.35 < accuracy(base, cases, names) < 0.55
    assert 0.7 < few_shot < accuracy(tune(tmp_path, train), cases)
    assert accuracy(Answerer(LARGE, tmp_path / "model"), cases) > 0.87


def test_a_tune_on_fully_shuffled_labels_is_at_chance(train, cases, tmp_path):
    labels = random.Random(1).sample([label for _, label in train], len(train))
    pairs = [(text, label) for (text, _), label in zip(train, labels, strict=True)]
    assert accuracy(tune(tmp_path, pairs), cases) < 0.05


@pytest.fixture(scope="module")
def some(train, cases) -> tuple[list[Pair], list[Pair]]:
    """500 rows to learn and all test rows of fifteen labels."""
    labels = sorted({label for _, label in train})[:15]
    learn = random.Random(3).sample([pair for pair in train if pair[1] in labels], 500)
    return learn, [pair for pair in _pairs("test") if pair[1] in labels]


def _trained_accuracy(learn: list[Pair], unseen: list[Pair], batch_size: int | None = None) -> float:
    model, parts = trainer.prepare(RightAnswers([Example(*pair) for pair in learn]), None, LARGE)
    list(trainer.train(parts, len(learn), trainer.Pace(3, batch_size, 1.0, 7), validate=False))
    decided = [model.decisions(text)["answer"] for text, _ in unseen]
    given = [max(chances, key=chances.__getitem__) for chances in decided]
    return sum(label == wanted for label, (_, wanted) in zip(given, unseen, strict=True)) / len(unseen)


def test_three_epochs_come_as_far_as_scikit_learns_logistic_regression_on_the_same_features(some):
    from sklearn.linear_model import LogisticRegression

    learn, unseen = some
    model, _ = trainer.prepare(RightAnswers([Example(*pair) for pair in learn]), None, LARGE)
    inputs, held_out = (
        model.classifier.vectoriser.matrix([bag(text, model.capacity) for text, _ in pairs]) for pairs in some
    )
    oracle = LogisticRegression(C=20).fit(inputs, [label for _, label in learn])
    expected = oracle.score(held_out, [label for _, label in unseen])
    assert _trained_accuracy(learn, unseen) > expected - 0.02


def test_the_batch_size_does_not_decide_how_well_it_learns(some):
    assert abs(_trained_accuracy(*some, batch_size=500) - _trained_accuracy(*some, batch_size=10)) < 0.02
