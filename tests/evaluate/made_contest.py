"""Candidates compared, as the tests of this folder need them."""

import numpy as np
import pandas as pd

from data_contracts.use_case import TaskKind
from tasks.evaluate.compare import ComparisonPolicy, compare
from tests.evaluate.made_answers import answers, candidate, scored

RIGHT = ["x", "y", "z", "x", "y", "z", "x", "y"]
WORSE = ["x", "y", "z", "x", "y", "z", "y", "x"]
SIZE = 400


def policy(reference="best-prompt", metric="accuracy", kind=TaskKind.CLASSIFICATION, **parts):
    return ComparisonPolicy(metric=metric, kind=kind, reference=reference, test_sha256="0" * 64, **parts)


def contest(reference="best-prompt", **parts):
    """Champion, best prompt and two tunes on 400 cases of three labels."""
    draw = np.random.default_rng(3)
    expected = draw.choice(["x", "y", "z"], size=SIZE)
    skill = {"champion": 0.7, "best-prompt": 0.75, "tune-minimal": 0.85, "tune-full": 0.85}
    frames = [
        answers(name, np.where(draw.random(SIZE) < share, expected, draw.choice(["x", "y", "z"], size=SIZE)), expected)
        for name, share in skill.items()
    ]
    candidates = [candidate(name, "tune" if name.startswith("tune") else "prompt") for name in skill]
    return compare(scored(*frames), candidates, policy(reference, **parts)), pd.concat(frames)


def pair(frames, **parts):
    return compare(scored(*frames), [candidate("best-prompt"), candidate("tune-minimal", "tune")], policy(**parts))
