"""Nebius Token Factory: a checkpoint answers once it is a custom model, which its own models API makes of it.

A job names no model there. What is bought is known as JOB:CHECKPOINT, which is also what that API takes as its source.
"""

from collections.abc import Sequence
from functools import partial

from pydantic import BaseModel, Field

from data_contracts.money import Job
from tasks.errors import AmbiguousAnswerError, ProviderRefusedError
from tasks.providers.asking import Address, Caller, as_, client
from tasks.providers.failure import paid_error
from tasks.providers.protocol import Serving
from tasks.providers.redact import shown
from tasks.providers.serving.listed import Listed, short_name
from tasks.providers.wire_records import WireCheckpoint, WireFile, WireJob, WirePage


class CustomModel(BaseModel):
    """As the models API shows it; `name` is what completions ask for, with a random ending."""

    name: str = Field(max_length=256)
    status: str = ""
    status_reason: str | None = None


class CustomModels(BaseModel):
    """The listing."""

    data: list[CustomModel]


class NebiusModels(Listed):
    """Custom models of one project."""

    def __init__(self, caller: Caller, at: Address, timeout_s: float) -> None:
        super().__init__(caller)
        root = Address(f"{at.url.removesuffix('/v1')}/v0", at.key, at.auth_header, at.private, at.query)
        self._models = Caller(client(root, timeout_s), caller.clock)

    def made_by(self, job: Job) -> str | None:
        """JOB:CHECKPOINT of the last step, once there is one."""
        found = sorted(self._checkpoints(job.id), key=lambda checkpoint: checkpoint.step_number)
        return f"{job.id}:{found[-1].id}" if found else None

    def serve(self, model: str) -> Serving:
        """Look for its custom model, or make one; `Serving.model` is the name that it answers to."""
        found = self._find(model)
        if found is None:
            return self._make(model)
        if found.status == "active":
            return Serving("ready", found.name)
        if found.status == "error":
            return Serving("failed", found.name, shown(found.status_reason or "Nebius gives no reason"))
        return Serving("starting", found.name, f"Nebius is {shown(found.status or 'silent', 40)}")

    def withdraw(self, model: str) -> None:
        """Delete its custom model."""
        if found := self._find(model):
            send = self._models.request("DELETE", f"/models/{found.name}")
            self._models.delete("deleting the custom model", send, lambda content: content)

    def has_model(self, model: str) -> bool:
        """Whether any file of its checkpoint is there, or its custom model."""
        there = (self._has_file(file) for file in self._files(model))
        return any(there) or self._find(model) is not None

    def delete_model(self, model: str) -> None:
        """Withdraw it and delete the files of its checkpoint, which are the weights."""
        self.withdraw(model)
        for file in self._files(model):
            send = partial(self.caller.sdk.files.with_raw_response.delete, file)
            self.caller.delete("deleting a checkpoint's file", send)

    def _make(self, model: str) -> Serving:
        """Asked once: the name that it gets ends at random, so a repeated request would make two."""
        name = short_name(model)
        job = partial(self.caller.sdk.fine_tuning.jobs.with_raw_response.retrieve, model.partition(":")[0])
        base = self.caller.read("reading the fine-tuning job", job, as_(WireJob)).model
        body = {"source": model, "base_model": base, "name": name, "description": "made by tunegate"}
        send = self._models.request("POST", "/models", body)
        try:
            made = self._models.once("making a custom model", send, as_(CustomModel), paid_error)
        except AmbiguousAnswerError as lost:
            return Serving("starting", name, str(lost.cause))
        except ProviderRefusedError as refusal:
            return Serving("failed", name, f"Nebius refused it: {refusal.code}, {refusal.message}")
        return Serving("starting", made.name, "Nebius validates it")

    def _find(self, model: str) -> CustomModel | None:
        send = self._models.request("GET", "/models")
        listed = self._models.read("listing custom models", send, as_(CustomModels)).data
        ours = (found for found in listed if short_name(model) in found.name and found.status != "deleted")
        return next(ours, None)

    def _checkpoints(self, job_id: str) -> Sequence[WireCheckpoint]:
        send = partial(self.caller.sdk.fine_tuning.jobs.checkpoints.with_raw_response.list, job_id)
        return self.caller.listing("listing checkpoints", send, WirePage[WireCheckpoint])[0]

    def _files(self, model: str) -> list[str]:
        job_id, _, checkpoint_id = model.partition(":")
        found = (checkpoint for checkpoint in self._checkpoints(job_id) if checkpoint.id == checkpoint_id)
        return [file for checkpoint in found for file in checkpoint.result_files or []]

    def _has_file(self, file_id: str) -> bool:
        send = partial(self.caller.sdk.files.with_raw_response.retrieve, file_id)
        return self.caller.is_there("looking for a file", send, as_(WireFile, id=file_id))
