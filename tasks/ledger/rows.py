"""The ledger's typed rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, TypedDict


class IntentState(StrEnum):
    """How far a purchase has come. Only SUBMITTING says that a paid request may be under way."""

    INTENT = "INTENT"
    UPLOADED = "UPLOADED"
    SUBMITTING = "SUBMITTING"
    SUBMITTED = "SUBMITTED"
    ENDED = "ENDED"


# A state may be entered only from these, and the database checks it in the same statement: whoever lost the lock
# without noticing (a dropped PostgreSQL session) cannot send a second request.
ENTERED_FROM: Mapping[IntentState, tuple[IntentState, ...]] = {
    IntentState.INTENT: (IntentState.INTENT,),
    IntentState.UPLOADED: (IntentState.INTENT, IntentState.UPLOADED, IntentState.SUBMITTING),
    IntentState.SUBMITTING: (IntentState.UPLOADED,),
    IntentState.SUBMITTED: (IntentState.UPLOADED, IntentState.SUBMITTING, IntentState.SUBMITTED),
    IntentState.ENDED: (IntentState.SUBMITTED, IntentState.ENDED),
}


@dataclass(frozen=True)
class Intent:
    """One purchase: `key` is the hash of what is bought, `run` the run that first wanted it."""

    key: str
    use_case: str
    run: str
    state: IntentState
    attempt: int
    training_file_id: str | None
    validation_file_id: str | None
    job_id: str | None
    model: str | None
    job_state: str | None
    request: dict[str, Any]
    updated_at: float
    quote: float | None = None


class IntentFields(TypedDict, total=False):
    """What a step may learn about an intent."""

    training_file_id: str
    validation_file_id: str | None
    job_id: str
    model: str | None
    job_state: str
    quote: float | None


@dataclass(frozen=True)
class Approval:
    """A person's yes to exactly this content. `approved_by` is what they called themselves."""

    run: str
    kind: str
    sha256: str
    amount: float | None
    approved_by: str
    approved_at: float
    note: str
    how: str | None = None  # `self-declared` in a form, `command line`; None: from before it was kept


@dataclass(frozen=True)
class Deletion:
    """Something of a purchase that was deleted at its provider; `proven`: it was looked for afterwards and is gone."""

    intent: str
    kind: str
    id: str
    deleted_at: float
    proven: bool


@dataclass(frozen=True)
class Opening:
    """A run scored these candidates on this sealed test set."""

    use_case: str
    test_sha256: str
    run: str
    candidates: tuple[str, ...]
    opened_at: float
    test_set: int = 1  # the n-th of the use case


@dataclass(frozen=True)
class Upload:
    """Texts that a run uploaded for training; `fingerprints` are a blob of tasks/partition/fingerprints.py."""

    use_case: str
    sha256: str
    run: str
    rows: int
    fingerprints: bytes = field(repr=False)
    uploaded_at: float


RunState = Literal["started", "finished", "stopped"]


@dataclass(frozen=True)
class RunRecord:
    """A run and how it stands; `detail` holds its options, and exit code and message once it has stopped."""

    run: str
    use_case: str
    state: RunState
    detail: dict[str, Any]
    started_at: float
    updated_at: float
