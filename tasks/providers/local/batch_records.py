"""What a batch is: the request that asks for it, the record that is kept, the lines of its files.

Shapes and states as of OpenAI's API specification 2.3.0 (`Batch`, `CreateBatchRequest`) and its Batch API guide.
"""

from typing import Any, Literal

from pydantic import Field

from tasks.providers.local.errors import Body
from tasks.providers.local.fault_kinds import BatchFate
from tasks.providers.local.files import ExpiresAfter
from tasks.providers.local.job_records import Metadata
from tasks.providers.local.pages import Public
from tasks.providers.local.store import Record

CHAT_URLS = ("/v1/chat/completions", "/chat/completions")  # the second one is Azure's way to say it
MOST_REQUESTS = 50_000
MOST_BYTES = 200_000_000
BatchStatus = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
]
ALIVE: tuple[BatchStatus, ...] = ("validating", "in_progress", "finalizing", "cancelling")
EXPIRED = {"code": "batch_expired", "message": "This request could not be executed before the window expired."}


class BatchRequest(Body):
    """Body of POST /batches."""

    input_file_id: str
    endpoint: Literal["/v1/chat/completions", "/chat/completions"]
    completion_window: Literal["24h"]
    metadata: Metadata | None = None
    output_expires_after: ExpiresAfter | None = None


class BatchLine(Body):
    """One line of the input file; its body is looked at when its turn comes."""

    custom_id: str = Field(min_length=1, max_length=512)
    method: Literal["POST"]
    url: str
    body: dict[str, Any]


class BatchError(Body):
    """What is wrong with the input file."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


class Batch(Record):
    """A batch as it is stored. `entered` holds when each of its states began."""

    asked: BatchRequest
    status: BatchStatus
    entered: dict[str, float]
    expires_at: float
    fate: BatchFate = BatchFate(kind="batch")
    model: str | None = None
    total: int = 0
    completed: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    errors: list[BatchError] = Field(default_factory=list)
    output_file: str | None = None
    error_file: str | None = None

    @property
    def created_at(self) -> float:
        """When it was asked for."""
        return self.entered["validating"]

    def public(self) -> Public:
        """As the wire shows it."""
        moments = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": self.asked.endpoint,
            "model": self.model,
            "errors": {"object": "list", "data": [one.model_dump() for one in self.errors]} if self.errors else None,
            "input_file_id": self.asked.input_file_id,
            "completion_window": self.asked.completion_window,
            "status": self.status,
            "output_file_id": self.output_file,
            "error_file_id": self.error_file,
            "created_at": int(self.created_at),
            "expires_at": int(self.expires_at),
            **{f"{name}_at": _whole(self.entered.get(name)) for name in moments},
            "request_counts": {"total": self.total, "completed": self.completed, "failed": self.failed},
            "usage": self._usage(),
            "metadata": self.asked.metadata,
        }

    def _usage(self) -> Public:
        return {
            "input_tokens": self.prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": self.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }


def _whole(moment: float | None) -> int | None:
    return None if moment is None else int(moment)
