"""Nebius Token Factory: LoRA hyperparameters, jobs without metadata or model, and a models API for adapters.

Pages: "Create a fine-tuning job", "Create a custom model", https://docs.tokenfactory.nebius.com/api-reference, read
2026-11-22.
"""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tasks.providers.local.dialects import Tongue, hyperparameters, required
from tasks.providers.local.errors import ApiError, no_such
from tasks.providers.local.handlers import Service, json_response
from tasks.providers.local.job_records import Job
from tasks.providers.local.pages import Public
from tasks.providers.local.store import new_id

FIELDS = {"model", "training_file", "validation_file", "method", "hyperparameters", "seed", "suffix", "integrations"}
KNOWN = {"n_epochs", "batch_size", "learning_rate", "warmup_ratio", "weight_decay", "packing", "max_grad_norm"} | {
    *("context_length", "lora", "lora_r", "lora_alpha", "lora_dropout"),
}
HIDDEN = ("metadata", "fine_tuned_model")


@dataclass
class Custom:
    """A custom model; it becomes active from look to look."""

    name: str
    source: str
    base: str
    adapter: bool
    looks: int = 0

    def public(self) -> Public:
        """As the models API shows it."""
        status = "validating" if self.looks < 2 else "active" if self.adapter else "error"
        reason = {} if self.adapter else {"status_reason": "only a LoRA adapter is served without GPUs of your own"}
        return {"name": self.name, "base_model": self.base, "source": self.source, "status": status, **reason}


class Nebius(Tongue):
    """An absolute learning rate, jobs that are found by their file, tunes that answer as custom models."""

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._custom: dict[str, Custom] = {}
        self._full: set[str] = set()  # training files of jobs that tuned all weights
        self.routes = [
            Route("/v0/models", self._make, methods=["POST"], name="custom.create"),
            Route("/v0/models", self._list, methods=["GET"], name="custom.list"),
            Route("/v0/models/{name:path}", self._delete, methods=["DELETE"], name="custom.delete"),
        ]

    def job_request(self, asked: Public) -> Public:
        """Supervised, with Nebius' own hyperparameters, of which the server knows two."""
        required(asked, FIELDS)
        given = hyperparameters(asked, "supervised")
        required(given, KNOWN, "hyperparameters.")
        if not given.get("lora"):
            self._full.add(str(asked.get("training_file")))
        kept = {name: given[name] for name in ("n_epochs", "batch_size") if name in given}
        return {**asked, "method": {"type": "supervised", "supervised": {"hyperparameters": kept}}}

    def chat_request(self, asked: Public) -> Public:
        """Tunes answer by the names of their custom models."""
        name = str(asked.get("model"))
        custom = self._custom.get(name)
        if name.startswith("ft:") or (custom and custom.public()["status"] != "active"):
            raise ApiError(404, f"The model `{name}` does not exist.", code="model_not_found")
        if custom is None:
            return asked
        tuned = self._job(custom.source).fine_tuned_model
        return {**asked, "model": tuned}

    def shown(self, document: Public) -> Public | None:
        """Neither metadata nor a tuned model's name; a checkpoint has files."""
        if document.get("object") == "model" and str(document["id"]).startswith("ft:"):
            return None
        hidden = () if document.get("object") == "batch" else (*HIDDEN, "tunable")  # a batch does have metadata
        said = {name: value for name, value in document.items() if name not in hidden}
        if document.get("object") == "fine_tuning.job.checkpoint":
            job = self.service.jobs.rooms.book.get(document["fine_tuning_job_id"])
            said |= {"result_files": job.result_files, "fine_tuned_model_checkpoint": None}
        return said

    def _job(self, source: str) -> Job:
        return self.service.jobs.rooms.book.get(source.partition(":")[0])

    async def _make(self, request: Request) -> Response:
        asked = await request.json()
        required(asked, {"name", "base_model", "source", "description"})
        job = self._job(str(asked["source"]))
        checkpoints = self.service.jobs.checkpoints(job.id, {})["data"]
        if asked["source"] not in {f"{job.id}:{found['id']}" for found in checkpoints}:
            raise ApiError(400, "The source is no checkpoint of a job.", "source", "invalid_value")
        if asked["base_model"] != job.model:
            raise ApiError(400, "The checkpoint belongs to another base model.", "base_model", "invalid_value")
        name = f"{job.model}-LoRa:{asked['name']}-{new_id('', 4)}"
        self._custom[name] = Custom(name, asked["source"], job.model, job.training_file not in self._full)
        return json_response(self._custom[name].public())

    async def _list(self, request: Request) -> Response:
        for custom in self._custom.values():
            custom.looks += 1
        return json_response({"data": [custom.public() for custom in self._custom.values()]})

    async def _delete(self, request: Request) -> Response:
        if self._custom.pop(request.path_params["name"], None) is None:
            raise no_such("model", request.path_params["name"])
        return json_response({"status": "deleted"})
