"""Made answers of two sides: what a champion did in its trial, and what it does in production."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.contest import CandidateScores
from data_contracts.monitoring import HealthCheck
from data_contracts.operation import Monitor
from data_contracts.use_case import TaskKind
from tasks.watch.drift import Production, Question, Reference, examine
from tests.small_use_case import PROMPTS, small_rows

CANDIDATE = {"name": "champion", "kind": "prompt", "model": "m", "base_model": "m", "prompt": PROMPTS[0]}
QUESTION = Question(Monitor(), TaskKind.CLASSIFICATION, "accuracy")


def frame(rows: int, seed: int = 1, **changes: Any) -> pd.DataFrame:
    """Answers to the small use case's notes: right ones in 90 of 100 cases, 100 ms or so, a cent for a thousand."""
    notes, draw = small_rows(rows, seed), np.random.default_rng(seed)
    right = draw.random(rows) < 0.9
    answers = pd.DataFrame(
        {
            "case": [f"{seed}-{note['id']}" for note in notes],
            "group": [f"{seed}-{note['id']}" for note in notes],
            "hour": np.arange(rows) // 2,
            "input": [note["text"] for note in notes],
            "expected": [note["label"] for note in notes],
            "outcome": "answered",
            "parsed": [note["label"] if ok else "ships" for note, ok in zip(notes, right, strict=True)],
            "latency_ms": draw.gamma(20, 5, rows),
            "cost": draw.normal(1e-5, 1e-6, rows),
        }
    )
    answers = answers.assign(**changes)
    return answers.assign(score=(answers["parsed"] == answers["expected"]).astype(float))


def reference(rows: int = 200, **changes: Any) -> Reference:
    """The trial's side."""
    answers = frame(rows, seed=2, **changes)
    return Reference(scores(answers), answers, answers["input"].tolist(), texts(400, seed=3))


def scores(answers: pd.DataFrame) -> CandidateScores:
    """Its figures, as comparison.json has them."""
    accuracy = float(answers["score"].mean())
    arm = 1.96 * (accuracy * (1 - accuracy) / len(answers)) ** 0.5
    plain = {
        "candidate": CANDIDATE,
        "cases": len(answers),
        "outcomes": answers["outcome"].value_counts().to_dict(),
        "metric": {"value": accuracy, "low": accuracy - arm, "high": min(1.0, accuracy + arm)},
        "accuracy": accuracy,
        "format_adherence": float((answers["outcome"] == "answered").mean()),
        "latency_p50_ms": 100.0,
        "latency_p95_ms": float(answers["latency_ms"].quantile(0.95)),
        "latency_p99_ms": 170.0,
        "prompt_tokens": 20.0,
        "completion_tokens": 2.0,
        "cost_per_request": float(answers["cost"].mean()),
    }
    return CandidateScores.model_validate(plain)


def production(answers: pd.DataFrame, labelled: int | None = None) -> Production:
    """Production's side; the first `labelled` answers have a label, all of them unless said."""
    rows = answers if labelled is None else answers.head(labelled)
    return Production(answers, rows, len(answers), len(rows))


def texts(rows: int, seed: int) -> list[str]:
    """Inputs only."""
    return [note["text"] for note in small_rows(rows, seed)]


def check(name: str, now: Production, before: Reference | None = None, question: Question = QUESTION) -> HealthCheck:
    """One check by its name."""
    found = examine(before or reference(), now, question)
    return next(one for one in found if one.name == name)


def about_cooking(rows: int) -> Sequence[str]:
    """Texts of another topic, as long as the notes are."""
    words = "boil fry simmer whisk dough oven butter flour salt pepper spoon kettle roast gravy".split()
    draw = random.Random(4)
    return [f"{' '.join(draw.sample(words, 9))} {number}" for number in range(rows)]
