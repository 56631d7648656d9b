"""Latencies of one and the same day: stored answers carry the clock of the day on which they were asked."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from tasks.evaluate.answer import Question, request_hash
from tasks.steps.asking import identity_of
from tasks.workspace import Edge, Workspace

FILE = "clock.json"
SAMPLE = 100  # answers of a candidate that are asked again for their latency alone
BEYOND = 1_000  # numbers of repeats that no use case asks for


def sample(space: Workspace, edge: Edge, questions: Sequence[Question]) -> list[Question]:
    """Questions asked once more of candidates whose answers are stored, where others' are new; kept as clock.json.

    None where latency is no gate, and none where all are stored: those are of one trial.
    """
    if not space.folder.has(FILE):
        number = len(edge.ledger.openings(space.case.use_case.name))
        space.folder.write_json(FILE, {"candidates": _of_other_days(space, edge, questions), "number": number})
    found = json.loads(space.folder.read_bytes(FILE))
    return [
        _again(question, edge, BEYOND + found["number"])
        for name in found["candidates"]
        for question in sorted(_first(questions, name), key=_case)[:SAMPLE]
    ]


def of_other_days(stored: Counter[str], asked: Counter[str]) -> list[str]:
    """Candidates most of whose answers are stored, if others have to be asked."""
    old = [name for name, count in asked.items() if 2 * stored[name] > count]
    return old if len(old) < len(asked) else []


def _of_other_days(space: Workspace, edge: Edge, questions: Sequence[Question]) -> list[str]:
    case = space.case.use_case
    timed = [item for item in questions if not case.provider_at(item.endpoint).batch]
    if case.gates.max_latency_ratio is None:
        return []
    known = edge.ledger.stored_answers(sorted({item.request for item in timed}))
    stored = Counter(item.candidate for item in timed if item.request in known)
    return of_other_days(stored, Counter(item.candidate for item in timed))


def _first(questions: Sequence[Question], candidate: str) -> list[Question]:
    return [item for item in questions if item.candidate == candidate and item.repeat == 0]


def _again(question: Question, edge: Edge, repeat: int) -> Question:
    request = request_hash(identity_of(edge, question.endpoint), question.body, repeat)
    return replace(question, repeat=repeat, request=request)


def _case(question: Question) -> str:
    """The same cases for each of them."""
    return hashlib.sha256(question.case.encode()).hexdigest()
