"""Whether a model answers as it did: hashes of its answers to the same few questions, compared with the first ones.

A model that varies by itself must not alarm. What is asked twice and answered in two ways is left out for good, and so
is what moves and comes back. Moved is what the next watch hears the same of, if so many did that their wavering does
not explain it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

ALPHA = 0.005  # so rarely is one watch wrong that calls canaries moved
FEWEST = 2  # one may be the only question that the model cannot decide


@dataclass(frozen=True)
class Said:
    """One answer to a canary question, reduced to what may be kept: no text."""

    answer: str  # sha256 of request and answer
    model: str = ""  # as the answer names it
    fingerprint: str = ""


@dataclass(frozen=True)
class Baseline:
    """What a first watch saw, by the hash of each request."""

    answers: Mapping[str, str] = field(default_factory=dict)
    wavering: Sequence[str] = ()
    fingerprints: Sequence[str] = ()
    moved: Mapping[str, str] = field(default_factory=dict)  # what the last watch heard instead
    called: Mapping[str, str] = field(default_factory=dict)  # what was told to have moved
    compared: int = 0  # answers so far that were held against another one to the same question
    wavered: int = 0  # how many of them differed, by themselves

    @property
    def plain(self) -> dict[str, Any]:
        """As the ledger keeps it."""
        return {
            "answers": dict(self.answers),
            "wavering": sorted(self.wavering),
            "fingerprints": sorted(self.fingerprints),
            "moved": dict(self.moved),
            "called": dict(self.called),
            "compared": self.compared,
            "wavered": self.wavered,
        }


@dataclass(frozen=True)
class Change:
    """What is not as it was. `state` names the new state, so that it is told once."""

    sentence: str = ""
    state: str = ""


def said(request: str, output: str, model: str, fingerprint: str) -> Said:
    """The answer without its text; with the request in the hash, equal answers to two questions do not look alike."""
    return Said(hashlib.sha256(f"{request}\n{output}".encode()).hexdigest(), model, fingerprint)


def open_questions(baseline: Baseline, first: Mapping[str, Said]) -> list[str]:
    """Requests that are asked a second time: those that were not asked before, and those that are answered anew."""
    settled = {request for request in first if baseline.answers.get(request) == first[request].answer}
    return [request for request in first if request not in settled and request not in baseline.wavering]


def compare(baseline: Baseline, first: Mapping[str, Said], second: Mapping[str, Said]) -> tuple[Baseline, Change]:
    """The baseline with what is new in it, and what changed against it. `second`: answers to `open_questions`."""
    twice = {request: one.answer for request, one in second.items() if one.answer == first[request].answer}
    back = {request for request in baseline.moved.keys() & first.keys() if request not in second}
    wavers = {*baseline.wavering, *(second.keys() - twice.keys()), *back}
    answers = {request: answer for request, answer in {**twice, **baseline.answers}.items() if request not in wavers}
    moved = {request: answer for request, answer in twice.items() if request in baseline.answers}
    again = {request: answer for request, answer in moved.items() if baseline.moved.get(request) == answer}
    unheard = {request: answer for request, answer in baseline.moved.items() if request not in first}
    prints = _fingerprints([*first.values(), *second.values()])
    learnt = Baseline(
        answers,
        sorted(wavers),
        baseline.fingerprints or prints,
        {**unheard, **moved},
        baseline.called,
        baseline.compared + sum(request not in baseline.wavering for request in first),
        baseline.wavered + len(wavers) - len(baseline.wavering),
    )
    called = replace(learnt, called=_called(learnt, [*first], again))
    return called, _change(called, [*first], again, prints)


def tells(baseline: Baseline, asked: Sequence[str]) -> bool:
    """Whether so many canaries still answer the same each time that their moving would say something."""
    return _is_shown(sum(request in baseline.answers for request in asked), baseline, asked)


def _called(baseline: Baseline, asked: Sequence[str], again: Mapping[str, str]) -> Mapping[str, str]:
    further = {request: answer for request, answer in again.items() if baseline.called.get(request) != answer}
    return {**baseline.called, **further} if _is_shown(len(further), baseline, asked) else baseline.called


def _is_shown(moved: int, baseline: Baseline, asked: Sequence[str]) -> bool:
    """Whether more moved than their own wavering explains (binomial test, one-sided).

    One moves by itself where it gave its rarer answer twice: the square of the share of answers that wavered so far,
    by Laplace's rule of succession.
    """
    from scipy.stats import binom

    if moved < FEWEST:
        return False
    by_itself = ((baseline.wavered + 1) / (baseline.compared + 2)) ** 2
    return bool(binom.sf(moved - 1, sum(request in baseline.answers for request in asked), by_itself) < ALPHA)


def _change(baseline: Baseline, asked: Sequence[str], again: Mapping[str, str], prints: Sequence[str]) -> Change:
    compared = [request for request in asked if request in baseline.answers]
    stands = any(baseline.called.get(request) == answer for request, answer in again.items())
    parts = [f"{len(again)} of {len(compared)} canary answers moved"] if stands else []
    others = bool(prints and baseline.fingerprints and not set(prints) & set(baseline.fingerprints))
    if others:
        parts.append(f"its fingerprint is {', '.join(prints)} instead of {', '.join(baseline.fingerprints)}")
    if not parts:
        return Change()
    wavering = [request for request in asked if request in baseline.wavering]
    if wavering:
        parts.append(f"{len(wavering)} more vary by themselves and do not count")
    state = [sorted(baseline.called.items()) if stands else [], list(prints) if others else []]
    return Change(", ".join(parts), hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16])


def _fingerprints(answers: Sequence[Said]) -> list[str]:
    return sorted({one.fingerprint for one in answers if one.fingerprint})
