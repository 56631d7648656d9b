"""Fine-tuning jobs as the API offers them."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from tasks.providers.local import pages
from tasks.providers.local.errors import ApiError
from tasks.providers.local.fault_kinds import JobFate
from tasks.providers.local.job_records import ALIVE, Job, JobRequest, JobStatus
from tasks.providers.local.lifecycle import Lifecycle, Rooms
from tasks.providers.local.pages import Public
from tasks.providers.local.store import new_id


@dataclass(frozen=True)
class Jobs:
    """Create, look, stop, go on."""

    rooms: Rooms
    lifecycle: Lifecycle

    def create(self, request: JobRequest, fate: JobFate | None) -> Job:
        """Take a job on; it is on disk when this returns. Raises ApiError."""
        settings, method = self.rooms.settings.current(), request.wanted()
        model = self.rooms.catalogue.resolve_tunable(request.model, method.type)
        self._check_file(request.training_file, "training_file")
        if request.validation_file:
            self._check_file(request.validation_file, "validation_file")
        now = settings.now()
        job = Job(
            id=new_id("ftjob-"),
            order=self.rooms.book.next_order(),
            created_at=now,
            entered_at=now,
            status="validating_files",
            model=model.id,
            organization=settings.organization,
            training_file=request.training_file,
            validation_file=request.validation_file,
            suffix=(request.suffix or "").lower(),
            seed=secrets.randbelow(2**31) if request.seed is None else request.seed,
            metadata=request.metadata,
            method=method,
            fate=fate or JobFate(kind="job"),
        )
        self.rooms.book.put(job)
        self.rooms.book.note(job.id, f"Created fine-tuning job: {job.id}")
        self.rooms.book.note(job.id, f"Validating training file: {job.training_file}")
        self.lifecycle.start(job.id)
        return job

    def page(self, query: Mapping[str, str]) -> Public:
        """A page, newest first; `metadata[k]=v` filters, `metadata=null` asks for jobs without any."""
        now = self.rooms.settings.current().now()
        wanted = {name[9:-1]: value for name, value in query.items() if name.startswith("metadata[")}
        shown = [
            job.public(now)
            for job in self.rooms.book.newest_first()
            if job.created_at + job.fate.hidden_s <= now
            and wanted.items() <= (job.metadata or {}).items()
            and not (query.get("metadata") == "null" and job.metadata)
        ]
        return pages.page(shown, query, 20, "FineTuningJob")

    async def cancel(self, job_id: str) -> Job:
        """End it; its training is killed. Raises ApiError for a job that has ended."""
        self._check_state(job_id, "cancelled", (*ALIVE, "paused"))
        await self.lifecycle.stop(job_id)
        return self.lifecycle.cancelled(job_id)

    async def pause(self, job_id: str) -> Job:
        """Hold it. Raises ApiError for a job that is not on its way."""
        self._check_state(job_id, "paused", ALIVE)
        await self.lifecycle.stop(job_id)
        return self.rooms.book.enter(job_id, "paused", "Fine-tuning job paused", estimated_finish=None)

    def resume(self, job_id: str) -> Job:
        """Let a paused job go on; training starts anew. Raises ApiError for any other."""
        self._check_state(job_id, "resumed", ("paused",))
        job = self.rooms.book.get(job_id)
        status: JobStatus = "validating_files" if job.tokens is None else "queued"
        fate = job.fate.model_copy(update={"stays": None})
        job = self.rooms.book.enter(job_id, status, "Fine-tuning job resumed", fate=fate)
        self.lifecycle.start(job_id)
        return job

    def events(self, job_id: str, query: Mapping[str, str]) -> Public:
        """A page of its history, newest first."""
        self.rooms.book.get(job_id)
        return pages.page(self.rooms.book.events(job_id).newest_first(), query, 20, "FineTuningJobEvent")

    def checkpoints(self, job_id: str, query: Mapping[str, str]) -> Public:
        """A page of its checkpoints: the model it ended with."""
        job = self.rooms.book.get(job_id)
        steps = self.rooms.book.events(job_id).metrics()
        found = [_checkpoint(job, steps[-1])] if job.fine_tuned_model and steps else []
        return pages.page(found, query, 10, "FineTuningJobCheckpoint")

    def _check_file(self, file_id: str, param: str) -> None:
        if problem := self.rooms.files.problem(file_id):
            raise ApiError(400, f"invalid {param}: {problem}", param, "invalid_file")

    def _check_state(self, job_id: str, verb: str, states: tuple[str, ...]) -> None:
        status = self.rooms.book.get(job_id).status
        if status not in states:
            raise ApiError(400, f"Job {job_id} is {status} and cannot be {verb}.", code="invalid_job_state")


def _checkpoint(job: Job, step: Public) -> Public:
    names = ("step", "train_loss", "train_mean_token_accuracy", "valid_loss", "valid_mean_token_accuracy")
    return {
        "id": job.id.replace("ftjob-", "ftckpt_"),
        "object": "fine_tuning.job.checkpoint",
        "created_at": int(job.finished_at or 0),
        "fine_tuned_model_checkpoint": f"{job.fine_tuned_model}:ckpt-step-{step['step']}",
        "fine_tuning_job_id": job.id,
        "metrics": {name: step[name] for name in names if name in step},
        "step_number": step["step"],
    }
