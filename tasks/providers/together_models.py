"""Which models a Together account may use: those offered, and those that its own jobs made."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tasks.errors import ConfigurationError
from tasks.providers.protocol import ModelInfo
from tasks.providers.together_calls import Calls, as_, raw
from tasks.providers.together_records import Deleted, Listing, TogetherJob, epoch
from tasks.providers.together_registry import RegistryModel, SupportedModel, Whoami

if TYPE_CHECKING:
    from together import Together


@dataclass
class Models:
    """A tuned model goes by its job's `model_output_name`; its weights have ids of their own in a registry."""

    calls: Calls
    library: "Together"
    project_id: str | None

    @cached_property
    def project(self) -> str:
        """The project that weights and endpoints belong to: the settings', else the key's."""
        if self.project_id:
            return self.project_id
        whoami = self.calls.read("asking whose key it is", raw(self.library.with_raw_response.whoami), as_(Whoami))
        if whoami.project is None:
            remedy = "Set it to the project's id, as Together's settings show it."
            raise ConfigurationError("provider.project", "is needed: the key is an organisation's", remedy)
        return whoami.project.id

    def infos(self) -> Sequence[ModelInfo]:
        """The models on offer, then the account's own."""
        listing = self.library.models.with_raw_response.list_supported
        offered = self.calls.every("listing models", listing, Listing[SupportedModel])
        own = ((job, job.model_output_name) for job in self.jobs() if job.status == "completed")
        return [one.info for one in offered] + [
            ModelInfo(name, int(epoch(job.created_at)), "this account") for job, name in own if name
        ]

    def jobs(self) -> list[TogetherJob]:
        """Every job of the account. Together lists them in one piece, in less detail than one by one."""
        send = raw(self.library.fine_tuning.with_raw_response.list)
        return self.calls.read("listing fine-tuning jobs", send, as_(Listing[TogetherJob])).data

    def job(self, job_id: str) -> TogetherJob:
        """One job in full."""
        send = raw(self.library.fine_tuning.with_raw_response.retrieve, job_id)
        return self.calls.read("reading the fine-tuning job", send, as_(TogetherJob, id=job_id))

    def maker(self, model: str) -> TogetherJob | None:
        """The job that made a tuned model."""
        found = next((job.id for job in self.jobs() if job.model_output_name == model), None)
        return self.job(found) if found else None

    def has(self, model: str) -> bool:
        """Whether Together still holds it: its job, and each of its weights that the job names."""
        job = self.maker(model)
        return job is not None and all(self._has_weights(weights) for weights in job.weights)

    def delete(self, model: str) -> None:
        """Delete its weights in the registry, then the job, which holds the checkpoints."""
        if job := self.maker(model):
            for weights in job.weights:
                drop = raw(self.library.models.with_raw_response.delete, weights, project_id=self.project)
                self.calls.delete("deleting a model", drop, lambda answer: answer)
            drop = raw(self.library.fine_tuning.with_raw_response.delete, job.id)
            self.calls.delete("deleting a model's job", drop, as_(Deleted))

    def _has_weights(self, weights: str) -> bool:
        send = raw(self.library.models.with_raw_response.retrieve, weights, project_id=self.project)
        return self.calls.is_there("looking for a model", send, as_(RegistryModel, id=weights))
