"""The fault list: which call, after how many, how many times, and what happens then.

A rule reads `{call: jobs.create, after: 1, times: 2, happens: {kind: reset, accepted: true}}`: of the calls that its
pattern matches, the first `after` pass, the next `times` are hit. Of several rules that would hit, the first does.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, RootModel, field_validator

from tasks.providers.local.settings import read_as
from tasks.providers.local.store import write_atomically

CALLS = (
    *("files.create", "files.list", "files.retrieve", "files.content", "files.delete"),
    *("jobs.create", "jobs.list", "jobs.retrieve", "jobs.cancel", "jobs.pause", "jobs.resume"),
    *("jobs.events", "jobs.checkpoints", "models.list", "models.retrieve", "models.delete"),
    *("chat.create", "prices.list", "health", "unknown"),
)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Lossy(_Part):
    accepted: bool = Field(False, description="true: the call takes effect first, and only its answer is lost")


class Status(_Lossy):
    """Another status, with OpenAI's error body unless `body` is given; a redirect is one with a `location` header."""

    kind: Literal["status"]
    status: int = Field(ge=300, le=599)
    code: str | None = None
    message: str = "A fault that was asked for."
    headers: dict[str, str] = Field(default_factory=dict, description="For instance retry-after")
    body: str | None = None


class Reset(_Lossy):
    """The connection is reset without an answer."""

    kind: Literal["reset"]


class Hang(_Lossy):
    """No answer comes; after `seconds` the connection is reset."""

    kind: Literal["hang"]
    seconds: float = Field(3600, gt=0)


class Exit(_Lossy):
    """The server dies on the spot, as by kill -9. Started again, it does not die of the same hit again."""

    kind: Literal["exit"]


class Delay(_Part):
    """The call waits, then goes on as usual."""

    kind: Literal["delay"]
    seconds: float = Field(gt=0)


class Truncate(_Part):
    """The call takes effect; its answer breaks off after a share of its bytes."""

    kind: Literal["truncate"]
    keep: float = Field(0.5, ge=0, lt=1)


class Trickle(_Part):
    """The call takes effect; its answer comes in `pieces` spread over `seconds`."""

    kind: Literal["trickle"]
    seconds: float = Field(gt=0)
    pieces: int = Field(10, ge=2)


class Replace(_Part):
    """The call takes effect; its answer is something else: an HTML page, broken JSON, null, nothing."""

    kind: Literal["replace"]
    body: str = "<!doctype html><html><body>Please sign in to the network.</body></html>"
    content_type: str = "text/html"
    status: int = Field(200, ge=200, le=599)


class Fields(_Part):
    """The call takes effect; its JSON answer, or each object of a list, has these fields set."""

    kind: Literal["fields"]
    set: dict[str, Any]


class Paging(_Part):
    """A list forgets query parameters (`after`, `metadata`, ...), lies about `has_more`, or turns round."""

    kind: Literal["paging"]
    ignores: list[str] = Field(default_factory=list)
    has_more: bool | None = None
    reverse: bool = False


class JobError(_Part):
    """Why a job failed."""

    code: str = "server_error"
    message: str = "The job failed, as was asked for."
    param: str | None = None


class JobFate(_Part):
    """Only for `jobs.create`: what becomes of the job."""

    kind: Literal["job"]
    stays: Literal["validating_files", "queued", "running", "paused"] | None = Field(
        None, description="It never leaves this state by itself; paused: somebody else paused it"
    )
    ends: Literal["failed", "cancelled"] | None = Field(None, description="How it ends instead of succeeding")
    error: JobError = JobError()
    no_model: bool = Field(False, description="It succeeds with fine_tuned_model null")
    model_late_s: float = Field(0, ge=0, description="Its model is not found for so long after success")
    hidden_s: float = Field(0, ge=0, description="jobs.list does not show it for so long")


Action = Annotated[
    Status | Reset | Hang | Exit | Delay | Truncate | Trickle | Replace | Fields | Paging | JobFate,
    Field(discriminator="kind"),
]


class Rule(_Part):
    """One rule of the list."""

    call: str = Field(description=f"One of {', '.join(CALLS)}; * stands for anything, as in jobs.*")
    after: int = Field(0, ge=0, description="So many matching calls pass first")
    times: int | None = Field(1, ge=1, description="So many are hit; null: all that follow")
    happens: Action

    @field_validator("call")
    @classmethod
    def _matches_a_call(cls, pattern: str) -> str:
        if not any(fnmatchcase(call, pattern) for call in CALLS):
            raise ValueError(f"no call matches; calls are {', '.join(CALLS)}")
        return pattern

    def hits(self, seen: int) -> bool:
        """Whether the call after `seen` matching ones is hit."""
        return seen >= self.after and (self.times is None or seen < self.after + self.times)


class FaultList(RootModel[list[Rule]]):
    """The content of a fault file."""


class Faults:
    """Counts calls against the rules. Counts outlive the server only when a rule kills it."""

    def __init__(self, rules: Sequence[Rule], counts_file: Path) -> None:
        self._rules, self._counts_file = rules, counts_file
        self._seen = [0] * len(rules)
        if counts_file.exists():
            kept = orjson.loads(counts_file.read_bytes())
            self._seen = kept["seen"] if kept["rules"] == self._shown() else self._seen

    @classmethod
    def from_file(cls, path: Path | None, counts_file: Path) -> "Faults":
        """Read the list. Raises ValueError that names rule and field."""
        return cls(read_as(FaultList, path).root if path else [], counts_file)

    def next(self, call: str) -> Action | None:
        """Count the call, and say what happens to it."""
        chosen: Action | None = None
        for position, rule in enumerate(self._rules):
            if fnmatchcase(call, rule.call):
                if chosen is None and rule.hits(self._seen[position]):
                    chosen = rule.happens
                self._seen[position] += 1
        return chosen

    def keep_counts(self) -> None:
        """Write the counts down, before the server dies of a rule."""
        write_atomically(self._counts_file, orjson.dumps({"rules": self._shown(), "seen": self._seen}))

    def _shown(self) -> list[Any]:
        return [rule.model_dump(mode="json") for rule in self._rules]
