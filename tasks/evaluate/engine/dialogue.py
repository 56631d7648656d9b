"""What is asked and what came back."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # contest brings pydantic: an engine process does without
    from data_contracts.contest import Outcome


@dataclass(frozen=True)
class Question:
    """One request of one candidate for one case; `body` is the JSON that is sent."""

    candidate: str
    model: str
    case: str
    body: bytes
    request: str  # request_hash of it
    endpoint: str = ""  # where it is asked; empty: at the provider that trains
    repeat: int = 0  # the same input asked again has the same body and a request hash of its own


@dataclass(frozen=True)
class Answer:
    """What came back. A `failed` one has no output, and is not stored: the next run asks again."""

    candidate: str
    case: str
    request: str
    output: str
    outcome: "Outcome"
    finish_reason: str
    latency_ms: float
    prompt_tokens: int
    completion_tokens: int
    stored: bool  # it was in the store before, nothing was paid now
    repeat: int = 0
    ttft_ms: float | None = None
    confidence: float | None = None


def request_hash(identity: str, body: bytes, repeat: int = 0) -> str:
    """Hash of who is asked (the provider's base_url), exactly what, and for the how-manieth time."""
    again = b"\n%d" % repeat if repeat else b""
    return hashlib.sha256(identity.encode() + b"\n" + body + again).hexdigest()
