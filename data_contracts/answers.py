"""Answers that were paid for once: the record that is kept, and the store that keeps it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # contest brings pandas: a second that the ledger's readers would wait for
    from data_contracts.contest import Outcome


@dataclass(frozen=True)
class StoredAnswer:
    """One answer by the hash of its exact request. `output` is row text: it stays in the ledger and the run folder."""

    request: str
    model: str
    output: str
    outcome: "Outcome"
    finish_reason: str
    latency_ms: float
    prompt_tokens: int
    completion_tokens: int
    ttft_ms: float | None = None  # None: it was not streamed
    confidence: float | None = None  # probability of its tokens; None: the provider gave none


class AnswerStore(Protocol):
    """Keeps every answer before it counts, so that a restart asks only for what is missing."""

    def stored_answers(self, requests: Sequence[str]) -> dict[str, StoredAnswer]:
        """The answers that are there, by request hash."""

    def store_answers(self, answers: Iterable[StoredAnswer]) -> None:
        """Keep them, all or none; the first answer to a request stays."""
