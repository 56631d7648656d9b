"""Answer frames and candidates as the tests of this folder need them."""

import pandas as pd

from data_contracts.candidate import Candidate, FewShot, Prompt
from data_contracts.contest import ANSWER_COLUMNS
from data_contracts.contract import Contract, Mapping
from data_contracts.use_case import TaskKind
from tasks.evaluate.score import score


def contract(**parts):
    return Contract(name="c", version="1", columns={}, mapping=Mapping(input="text", output="label"), **parts)


def candidate(name, kind="prompt", shots=0):
    prompt = Prompt(name=name.replace("/", "-"), few_shot=FewShot(count=shots))
    return Candidate(name=name, kind=kind, model=f"model-of-{name}", base_model="base", prompt=prompt)


def answers(name, parsed, expected, **columns):
    """Answers of one candidate to cases c000, c001, ...; columns replace the defaults."""
    defaults = {
        "candidate": name,
        "case": [f"c{position:03}" for position in range(len(parsed))],
        "output": parsed,
        "parsed": parsed,
        "outcome": "answered",
        "score": float("nan"),
        "latency_ms": 100.0,
        "prompt_tokens": 50,
        "completion_tokens": 2,
        "cost": 0.001,
        "stored": False,
        "expected": expected,
        "request": "",
        "repeat": 0,
        "ttft_ms": float("nan"),
        "confidence": float("nan"),
    }
    return pd.DataFrame(defaults | columns, columns=[*ANSWER_COLUMNS])


def scored(*frames, kind=TaskKind.CLASSIFICATION, **parts):
    return score(pd.concat(frames, ignore_index=True), kind, contract(**parts))
