"""From candidates and rows to questions, and from answers to a frame."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import orjson
import pandas as pd

from data_contracts.candidate import Candidate
from data_contracts.contest import ANSWER_COLUMNS
from data_contracts.money import Price
from tasks.evaluate.answer import Answer, Question, request_hash
from tasks.prompting.few_shot import FewShots
from tasks.prompting.prompt import Renderer


@dataclass(frozen=True)
class Panel:
    """Who is asked what: every candidate answers every row (EXAMPLE_COLUMNS)."""

    candidates: Sequence[Candidate]
    rows: pd.DataFrame
    renderer: Renderer
    few_shots: Callable[[Candidate], FewShots]  # a champion keeps the examples it won with
    identity: Callable[[str], str]  # of the provider at an endpoint, part of each request's hash
    repeats: int = 1  # how often each of `repeated` is asked; a repeat has a request hash of its own
    repeated: frozenset[str] = frozenset()  # ids of the cases that are asked again
    logprobs: bool = False


def build(panel: Panel) -> list[Question]:
    """One question for each candidate and row; few-shot examples come from train only."""
    return [question for candidate in panel.candidates for question in _of_candidate(panel, candidate)]


def tabulate(panel: Panel, answers: Sequence[Answer], prices: Mapping[str, Price]) -> pd.DataFrame:
    """Frame of ANSWER_COLUMNS, `score` still empty. Cost is what the answer costs, stored or not."""
    expected = dict(zip(panel.rows["id"], panel.rows["output"], strict=True))
    candidates = {candidate.name: candidate for candidate in panel.candidates}
    records = [
        _record(answer, panel.renderer.parse(answer.output, candidates[answer.candidate].prompt), prices)
        | {"expected": expected[answer.case]}
        for answer in answers
    ]
    return pd.DataFrame.from_records(records, columns=[*ANSWER_COLUMNS])


def _of_candidate(panel: Panel, candidate: Candidate) -> list[Question]:
    examples = panel.few_shots(candidate).choose(list(panel.rows["input"]), candidate.prompt.few_shot)
    questions, identity = [], panel.identity(candidate.endpoint)
    rows = panel.rows[["id", "messages", "tools"]].itertuples(index=False, name=None)
    for (case, messages, tools), shots in zip(rows, examples, strict=True):
        asked = panel.renderer.request(candidate, json.loads(messages), shots, tools)
        body = orjson.dumps(asked | {"logprobs": True} if panel.logprobs else asked)
        for repeat in range(panel.repeats if case in panel.repeated else 1):
            request = request_hash(identity, body, repeat)
            questions.append(Question(candidate.name, candidate.model, case, body, request, candidate.endpoint, repeat))
    return questions


def _record(answer: Answer, parsed: str | None, prices: Mapping[str, Price]) -> dict[str, object]:
    outcome = answer.outcome
    if outcome == "answered" and parsed is None:
        outcome = "unparsable"
    return {
        "candidate": answer.candidate,
        "case": answer.case,
        "output": answer.output,
        "parsed": parsed if outcome == "answered" else "",
        "outcome": outcome,
        "score": float("nan"),
        "latency_ms": answer.latency_ms,
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "cost": _cost(answer, prices[answer.candidate]),
        "stored": answer.stored,
        "request": answer.request,
        "repeat": answer.repeat,
        "ttft_ms": float("nan") if answer.ttft_ms is None else answer.ttft_ms,
        "confidence": float("nan") if answer.confidence is None else answer.confidence,
    }


def _cost(answer: Answer, price: Price) -> float:
    if price.input is None or price.output is None:
        return float("nan")
    return (answer.prompt_tokens * price.input + answer.completion_tokens * price.output) / 1e6
