"""The request log: one JSON line a request, with ids and counts, never a text or a key."""

import datetime as dt
import os
import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class RequestLine(BaseModel):
    """One request. `job`, `file` and `model` of a creating call are set only where it took effect."""

    model_config = ConfigDict(extra="forbid")

    time: str = Field(description="Arrival, ISO 8601, UTC")
    call: str = Field(description="Such as jobs.create")
    method: str
    path: str = Field(description="Without the query")
    status: int | None = Field(None, description="As sent to the client; null: no answer was sent")
    job: str | None = None
    file: str | None = None
    model: str | None = Field(None, description="As resolved")
    intent: str | None = Field(None, description="`intent` of the job's metadata")
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    fault: str | None = Field(None, description="Kind of the fault that hit the call")
    ms: float = Field(0, description="From arrival to the end of the answer")


class RequestLog:
    """Appends lines; each is one write, so a kill leaves whole lines."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def begin(self, call: str, method: str, path: str) -> "Entry":
        """A request that has just arrived."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        return Entry(self, RequestLine(time=now, call=call, method=method, path=path))

    def write(self, line: RequestLine) -> None:
        """Append it."""
        os.write(self._file, line.model_dump_json().encode() + b"\n")


class Entry:
    """A request that is being answered."""

    def __init__(self, log: RequestLog, line: RequestLine) -> None:
        self.line, self._log = line, log
        self.arrived = time.monotonic()
        self._open = True

    @property
    def ms(self) -> float:
        """Since its arrival."""
        return round((time.monotonic() - self.arrived) * 1000, 3)

    def close(self) -> None:
        """Write its line, once."""
        if self._open:
            self._open = False
            self._log.write(self.line.model_copy(update={"ms": self.ms}))
