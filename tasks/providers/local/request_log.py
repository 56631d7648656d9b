"""The request log: one JSON line a request, with ids and counts, never a text or a key."""

import datetime as dt
import os
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class RequestLine(BaseModel):
    """One request. `job`, `file`, `batch` and `model` of a creating call are set only where it took effect."""

    model_config = ConfigDict(extra="forbid")

    time: str = Field(description="Arrival, ISO 8601, UTC")
    at: float = Field(description="Arrival, seconds since the epoch, to the microsecond")
    monotonic: float = Field(description="Arrival by a clock that nobody sets: for the time between two requests")
    call: str = Field(description="Such as jobs.create")
    method: str
    path: str = Field(description="Without the query")
    status: int | None = Field(None, description="As sent to the client; null: no answer was sent")
    accepted: bool = Field(False, description="Whether the call took effect, whatever the client was told")
    wait_s: float | None = Field(None, description="Seconds that the answer asked to wait, by Retry-After")
    job: str | None = None
    file: str | None = None
    batch: str | None = None
    model: str | None = Field(None, description="As resolved")
    intent: str | None = Field(None, description="`intent` of the job's or the batch's metadata")
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
        now, monotonic = dt.datetime.now(dt.UTC), time.monotonic()
        shown = {"time": now.isoformat(timespec="milliseconds"), "at": now.timestamp(), "monotonic": monotonic}
        return Entry(self, RequestLine.model_validate({**shown, "call": call, "method": method, "path": path}))

    def write(self, line: RequestLine) -> None:
        """Append it."""
        os.write(self._file, line.model_dump_json().encode() + b"\n")


class Entry:
    """A request that is being answered."""

    def __init__(self, log: RequestLog, line: RequestLine) -> None:
        self.line, self._log = line, log
        self.arrived = line.monotonic
        self._open = True

    @property
    def ms(self) -> float:
        """Since its arrival."""
        return round((time.monotonic() - self.arrived) * 1000, 3)

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """Note what the client is told."""
        self.line.status, self.line.wait_s = status, _wait_s(headers)

    def close(self) -> None:
        """Write its line, once."""
        if self._open:
            self._open = False
            self._log.write(self.line.model_copy(update={"ms": self.ms}))


def _wait_s(headers: Mapping[str, str]) -> float | None:
    """What Retry-After asks for, in milliseconds, in seconds or as a date; None where it says nothing sensible."""
    try:
        if "retry-after-ms" in headers:
            return float(headers["retry-after-ms"]) / 1000
        wanted = headers.get("retry-after", "")
        if not wanted or wanted.replace(".", "", 1).isdigit():
            return float(wanted) if wanted else None
        return round(parsedate_to_datetime(wanted).timestamp() - time.time(), 3)
    except ValueError:
        return None
