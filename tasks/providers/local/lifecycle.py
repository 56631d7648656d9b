"""How a job lives: validating_files -> queued -> running -> an end, each state at least as long as the clock says.

Whatever state a killed server left a job in, it goes on from there; training that was not finished starts again.
"""

import asyncio
import csv
import io
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.providers.local.catalogue import Catalogue, Tune
from tasks.providers.local.errors import ApiError, report
from tasks.providers.local.fault_kinds import JobError
from tasks.providers.local.files import File, Files
from tasks.providers.local.job_book import JobBook
from tasks.providers.local.job_records import ALIVE, Job, JobStatus
from tasks.providers.local.methods import DpoHyperparameters, ReinforcementHyperparameters
from tasks.providers.local.settings import SettingsFile
from tasks.providers.local.training import Step, Training, TrainingFailedError, TrainingRefusedError
from tasks.providers.local.training_file import Contents, InvalidFileError, read_training_file, shape_of

COLUMNS = ("step", "train_loss", "train_mean_token_accuracy", "valid_loss", "valid_mean_token_accuracy")
REWARDS = ("train_reward_mean", "valid_reward_mean")
_TRAININGS_AT_ONCE = 2
LOOK_S = 0.2  # at the settings, which may say that a job ends sooner


@dataclass(frozen=True)
class Rooms:
    """What a job touches on its way."""

    book: JobBook
    files: Files
    catalogue: Catalogue
    settings: SettingsFile


class Lifecycle:
    """Runs one asyncio task a living job."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms, self._book = rooms, rooms.book
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(_TRAININGS_AT_ONCE)

    @property
    def busy(self) -> bool:
        """Whether any job is on its way."""
        return bool(self._tasks)

    def start(self, job_id: str) -> None:
        """Let a job go on from the state it is in."""
        task = asyncio.create_task(self._live(job_id), name=job_id)
        self._tasks[job_id] = task
        task.add_done_callback(lambda done: self._forget(job_id, done))

    def start_all(self) -> None:
        """Let every job go on that a stopped server left behind."""
        for job in reversed(self._book.newest_first()):
            if job.status in ALIVE:
                self.start(job.id)

    async def stop(self, job_id: str) -> None:
        """Hold a job where it is; its training is killed."""
        if task := self._tasks.pop(job_id, None):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def cancelled(self, job_id: str) -> Job:
        """The end of a job that somebody stopped; what it has learnt is deleted."""
        job = self._book.enter(job_id, "cancelled", "Fine-tuning job cancelled")
        self._tidy(job, None)
        return job

    async def stop_all(self) -> None:
        """Hold every job."""
        await asyncio.gather(*map(self.stop, list(self._tasks)))

    async def _live(self, job_id: str) -> None:
        try:
            await self._validate(job_id)
            await self._dwell(job_id, "queued")
            await self._train(job_id)
        except InvalidFileError as problem:
            self._fail(job_id, JobError(code=problem.code, message=problem.message, param=problem.param))
        except TrainingRefusedError as problem:
            self._fail(job_id, JobError(code=problem.code, message=problem.message))
        except Exception as problem:  # a job that nobody moves any more would be waited for in vain
            report(problem)
            message = "The job failed due to an internal error; the server's log and the job's folder say more."
            self._fail(job_id, JobError(code="server_error", message=message))

    async def _validate(self, job_id: str) -> None:
        await self._dwell(job_id, "validating_files")
        job = self._book.get(job_id)
        if job.status == "validating_files":
            if self._ended_by_fate(job, "validating_files"):
                return
            contents = await asyncio.to_thread(self._read_files, job)
            method = job.method.using(job.method.hyperparameters.resolve(contents.examples))
            message = "Files validated, moving job to queued state"
            self._book.enter(job_id, "queued", message, tokens=contents.tokens, method=method)

    def _read_files(self, job: Job) -> Contents:
        files, shape = self._rooms.files, shape_of(job.method.type, job.method.grader)
        try:
            if job.validation_file:
                read_training_file(files.content(job.validation_file), "validation_file", shape)
            return read_training_file(files.content(job.training_file), "training_file", shape)
        except ApiError:
            message = "A file of the job was deleted before it could be read."
            raise InvalidFileError("file_not_found", message, "training_file") from None

    async def _train(self, job_id: str) -> None:
        job = self._book.get(job_id)
        if job.status not in ALIVE:
            return
        if job.fate.stays == "paused":
            self._book.enter(job_id, "paused", "Fine-tuning job paused")
            return
        async with self._slots:
            if job.status == "queued":
                finish = int(self._rooms.settings.current().now() + self._seconds("running"))
                job = self._book.enter(job_id, "running", "Fine-tuning job started", estimated_finish=finish)
            training = await self._trained(job)
        await self._dwell(job_id, "running")
        if not self._ended_by_fate(job, "running"):
            self._succeed(job, training)

    def _ended_by_fate(self, job: Job, status: JobStatus) -> bool:
        """End the job here, if that is what a fault has in store for it."""
        if job.fate.during != status or job.fate.ends is None:
            return False
        if job.fate.ends == "failed":
            self._fail(job.id, job.fate.error)
        else:
            self.cancelled(job.id)
        return True

    async def _trained(self, job: Job) -> Training:
        """The finished training, which a killed server may have left already."""
        training = Training(self._book.folder(job.id) / f"training-{job.attempt}")
        if not training.done:
            self._report(job.id, training.new_steps())  # what a killed server left unread
            job = self._book.update(job.id, attempt=job.attempt + 1)
            training = Training(self._book.folder(job.id) / f"training-{job.attempt}")
            own = self._rooms.settings.current().lora
            await training.run(self._options(job), lambda steps: self._report(job.id, steps), own)
        self._report(job.id, training.new_steps())
        return training

    def _options(self, job: Job) -> dict[str, object]:
        files, used = self._rooms.files, job.method.hyperparameters
        try:
            validation: object = files.content(job.validation_file) if job.validation_file else "-"
            training = files.content(job.training_file)
        except ApiError:
            raise TrainingFailedError("a file was deleted") from None
        grader = {"grader": job.method.grader.model_dump_json()} if job.method.grader else {}
        return {
            "base": job.model,
            "method": job.method.type,
            "training": training,
            "validation": validation,
            "epochs": used.n_epochs,
            "batch-size": used.batch_size,
            "learning-rate-multiplier": used.learning_rate_multiplier,
            "seed": job.seed,
            **({"beta": used.beta} if isinstance(used, DpoHyperparameters) else {}),
            **({"eval-interval": used.eval_interval} if isinstance(used, ReinforcementHyperparameters) else {}),
            **grader,
        }

    def _report(self, job_id: str, steps: list[Step]) -> None:
        """One metrics event a step; steps repeated after a restart are known already."""
        known = self._book.events(job_id).metrics()
        last = known[-1]["step"] if known else 0
        for step in steps:
            if step["step"] > last:
                data = {name: value for name, value in step.items() if value is not None}
                message = f"Step {step['step']}/{step['total_steps']}: training loss={step['train_loss']:.2f}"
                self._book.note(job_id, message, data=data)

    def _succeed(self, job: Job, training: Training) -> None:
        results = [] if job.fate.no_results else [self._keep_result(job).id]
        self._rooms.catalogue.add_tune(self._tune(job, training))
        model = None if job.fate.no_model else job.tuned_name
        self._book.note(job.id, f"New fine-tuned model created: {job.tuned_name}")
        message = "The job has successfully completed"
        self._book.enter(job.id, "succeeded", message, fine_tuned_model=model, result_files=results)
        self._tidy(job, training.folder)

    def _keep_result(self, job: Job) -> File:
        table = b"" if job.fate.empty_results else _csv(self._book.events(job.id).metrics())
        return self._rooms.files.add_result(job.id.replace("ftjob-", "file-"), "step_metrics.csv", table)

    def _tune(self, job: Job, training: Training) -> Tune:
        now, gone = self._rooms.settings.current().now(), job.fate.model_gone_s
        return Tune(
            id=job.short_id,
            order=self._rooms.catalogue.next_order(),
            name=job.tuned_name,
            base=job.model,
            created_at=now,
            folder=f"jobs/{job.id}/{training.folder.name}",
            visible_from=now + job.fate.model_late_s,
            listed_from=now + job.fate.model_unlisted_s,
            answers_from=now + job.fate.model_mute_s,
            gone_from=None if gone is None else now + gone,
        )

    def _tidy(self, job: Job, kept: Path | None) -> None:
        """Delete every attempt at training but the one to be kept."""
        for left in set(self._book.folder(job.id).glob("training-*")) - {kept}:
            shutil.rmtree(left, ignore_errors=True)

    def _fail(self, job_id: str, error: JobError) -> None:
        data: Mapping[str, Any] = {"error_code": error.code, "error_param": error.param}
        self._book.note(job_id, error.message, "error", dict(data))
        self._book.enter(job_id, "failed", "The job failed", error=error)

    def _forget(self, job_id: str, done: asyncio.Task[None]) -> None:
        if self._tasks.get(job_id) is done:
            del self._tasks[job_id]

    async def _dwell(self, job_id: str, status: JobStatus) -> None:
        """Stay in a state as long as the clock, or the job's fate, says; the settings may change meanwhile."""
        job = self._book.get(job_id)
        if job.status != status:
            return
        if job.fate.stays == status:
            await asyncio.Event().wait()
        slept = 0.0
        while (left := self._seconds(status) - max(slept, self._rooms.settings.current().now() - job.entered_at)) > 0:
            await asyncio.sleep(min(left, LOOK_S))
            slept += min(left, LOOK_S)

    def _seconds(self, status: JobStatus) -> float:
        return float(getattr(self._rooms.settings.current().job_seconds, status))


def _csv(steps: list[Step]) -> bytes:
    text = io.StringIO()
    told = [name for name in (*COLUMNS, *REWARDS) if name in COLUMNS or any(name in step for step in steps)]
    table = csv.DictWriter(text, told, restval="", extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows(steps)
    return text.getvalue().encode()
