"""Whether a model answers as it did: hashes of its answers to the same few questions, compared with the first ones.

A model that varies by itself must not alarm: what is asked twice and answered in two ways is left out for good.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


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

    @property
    def plain(self) -> dict[str, Any]:
        """As the ledger keeps it."""
        return {
            "answers": dict(self.answers),
            "wavering": sorted(self.wavering),
            "fingerprints": sorted(self.fingerprints),
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
    twice = {request: said for request, said in second.items() if said.answer == first[request].answer}
    wavers = {*baseline.wavering, *(second.keys() - twice.keys())}
    moved = sorted(request for request in twice if request in baseline.answers)
    answers = {**baseline.answers, **{new: twice[new].answer for new in twice.keys() - baseline.answers.keys()}}
    kept = {request: answer for request, answer in answers.items() if request not in wavers}
    prints = _fingerprints([*first.values(), *second.values()])
    learnt = Baseline(kept, sorted(wavers), baseline.fingerprints or prints)
    return learnt, _change(learnt, [*first], {request: twice[request].answer for request in moved}, prints)


def _change(baseline: Baseline, asked: Sequence[str], moved: Mapping[str, str], prints: Sequence[str]) -> Change:
    compared = [request for request in asked if request in baseline.answers]
    parts = [f"{len(moved)} of {len(compared)} canary answers moved"] if moved else []
    others = bool(prints and baseline.fingerprints and not set(prints) & set(baseline.fingerprints))
    if others:
        parts.append(f"its fingerprint is {', '.join(prints)} instead of {', '.join(baseline.fingerprints)}")
    if not parts:
        return Change()
    wavering = [request for request in asked if request in baseline.wavering]
    if wavering:
        parts.append(f"{len(wavering)} more vary by themselves and do not count")
    state = [sorted(moved.items()), list(prints) if others else []]
    return Change(", ".join(parts), hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16])


def _fingerprints(answers: Sequence[Said]) -> list[str]:
    return sorted({one.fingerprint for one in answers if one.fingerprint})
