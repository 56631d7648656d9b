"""The jobs on disk: records, and a history beside each."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from tasks.providers.local.errors import no_such
from tasks.providers.local.job_records import Events, Job, JobStatus
from tasks.providers.local.settings import SettingsFile
from tasks.providers.local.store import Collection

_HISTORIES = 64  # jobs whose events stay in memory


class JobBook:
    """Every change of a job is on disk before it shows; `ended` hears of each job that has come to its end."""

    def __init__(self, folder: Path, settings: SettingsFile, ended: Callable[[str, str], None]) -> None:
        self._jobs = Collection(folder, Job)
        self._settings, self._ended = settings, ended
        self._history = lru_cache(maxsize=_HISTORIES)(self._read_history)

    def next_order(self) -> int:
        """Number of the next job."""
        return self._jobs.next_order()

    def get(self, job_id: str) -> Job:
        """The job. Raises ApiError 404."""
        job = self._jobs.get(job_id)
        if job is None:
            raise no_such("FineTuningJob", job_id)
        return job

    def newest_first(self) -> list[Job]:
        """All jobs."""
        return self._jobs.newest_first()

    def put(self, job: Job) -> None:
        """Keep a new job."""
        self.folder(job.id).mkdir(exist_ok=True)
        self._jobs.put(job)

    def enter(self, job_id: str, status: JobStatus, message: str, **changes: object) -> Job:
        """Move a job into another state, with an event that says so."""
        now = self._settings.current().now()
        has_ended = status in ("succeeded", "failed", "cancelled")
        end = {"finished_at": now, "estimated_finish": None} if has_ended else {}
        job = self.get(job_id).model_copy(update={"status": status, "entered_at": now, **end, **changes})
        self._jobs.put(job)
        self.note(job_id, message, level="error" if status == "failed" else "info")
        if has_ended:
            self._ended(job_id, status)
        return job

    def update(self, job_id: str, **changes: object) -> Job:
        """Change a job within its state."""
        job = self.get(job_id).model_copy(update=changes)
        self._jobs.put(job)
        return job

    def note(self, job_id: str, message: str, level: str = "info", data: dict[str, Any] | None = None) -> None:
        """Add an event."""
        self.events(job_id).add(self._settings.current().now(), message, level, data)

    def events(self, job_id: str) -> Events:
        """A job's history."""
        return self._history(job_id)

    def folder(self, job_id: str) -> Path:
        """Where a job's history and its training lie."""
        return self._jobs.folder / job_id

    def _read_history(self, job_id: str) -> Events:
        return Events(self.folder(job_id) / "events.jsonl")
