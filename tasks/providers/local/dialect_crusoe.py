"""Crusoe: supervised LoRA only, model ids of a catalogue, an estimate, adapters that are loaded before they answer.

Pages: "Fine-tune a model", https://docs.crusoecloud.com/serverless-fine-tuning/fine-tune-a-model, and the API
reference, https://docs.crusoecloud.com/api/, read 2026-11-22.
"""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tasks.providers.local.dialects import JOBS, Tongue, hyperparameters, required
from tasks.providers.local.errors import ApiError, model_not_found, no_such
from tasks.providers.local.handlers import Service, json_response
from tasks.providers.local.pages import Public
from tasks.providers.local.settings import split_date
from tasks.providers.local.store import new_id

FIELDS = {"model", "training_file", "validation_file", "suffix", "method"}
COMMON = {"n_epochs", "batch_size", "learning_rate_multiplier"}
KNOWN = COMMON | {
    *("learning_rate", "lr_scheduler", "lora_variant", "lora_rank", "lora_alpha", "lora_dropout", "weight_decay"),
    *("early_stopping_patience", "warmup_ratio", "top_k_gating", "checkpoint_steps", "eval_steps_per_epoch"),
    "overlong_row_behavior",
}
BATCHES = (16, 32, 64, 128, 256, 512, 1024, "auto")
STEPS = ("pending", "loading", "ready")
ADAPTERS = "/v1/projects/{project}/foundry/loras"
BYTES_A_TOKEN = 4


@dataclass
class Adapter:
    """A loaded adapter; it becomes ready from look to look."""

    id: str
    model_id: str
    looks: int = 0

    def public(self) -> Public:
        """As the cloud API shows it."""
        status = STEPS[min(self.looks, len(STEPS) - 1)]
        return {"id": self.id, "model_id": self.model_id, "status": status, "last_error": None}


class Crusoe(Tongue):
    """Jobs without seed, metadata or another method; the base model by its id in the catalogue."""

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._adapters: dict[str, Adapter] = {}
        self.routes = [
            Route(f"{JOBS}/estimate_price", self._estimate, methods=["POST"], name="jobs.estimate"),
            Route(ADAPTERS, self._load, methods=["POST"], name="loras.create"),
            Route(ADAPTERS, self._list, methods=["GET"], name="loras.list"),
            Route(f"{ADAPTERS}/{{id}}", self._unload, methods=["DELETE"], name="loras.delete"),
        ]

    def path(self, path: str) -> str:
        """A tuned model has another name in the catalogue."""
        outer = path.removeprefix("/v1/models/")
        return f"/v1/models/{self.tunes[outer]}" if outer in self.tunes else path

    def job_request(self, asked: Public) -> Public:
        """Supervised, on a model by its catalogue id."""
        required(asked, FIELDS)
        given = hyperparameters(asked, "supervised")
        required(given, KNOWN, "hyperparameters.")
        if given.get("batch_size", "auto") not in BATCHES:
            raise ApiError(400, f"The batch_size is one of {BATCHES}.", "batch_size", "invalid_value")
        model = str(asked.get("model"))
        if not model.startswith("model-"):
            raise model_not_found(model)
        kept = {name: value for name, value in given.items() if name in COMMON}
        method = {"type": "supervised", "supervised": {"hyperparameters": kept}}
        return {**asked, "model": model.removeprefix("model-"), "method": method}

    def chat_request(self, asked: Public) -> Public:
        """A tune answers once it is loaded, by its id."""
        name = str(asked.get("model"))
        ready = {adapter.model_id for adapter in self._adapters.values() if adapter.public()["status"] == "ready"}
        if name.startswith(("ft:", "model-")) or (name in self.tunes and name not in ready):
            raise model_not_found(name)
        return {**asked, "model": self.tunes.get(name, name)}

    def page(self, documents: list[Public]) -> list[Public]:
        """Events come oldest first, as they have been seen to."""
        said = super().page(documents)
        is_history = bool(said) and said[0].get("object") == "fine_tuning.job.event"
        return said[::-1] if is_history else said

    def shown(self, document: Public) -> Public | None:
        """Models with Crusoe's ids and flags, jobs without metadata and seed."""
        said = {name: value for name, value in document.items() if name not in ("metadata", "seed", "tunable")}
        if document.get("object") == "model":
            tuned = str(document["id"]).startswith("ft:")
            flags = {"fine_tuning_available": bool(document.get("tunable")), "inference_available": True}
            base = {"id": f"model-{document['id']}", "model_name": document["id"], "model_type": "base_model", **flags}
            return said | ({"id": self.tuned_name(str(document["id"]))} if tuned else base)
        if document.get("object") == "fine_tuning.job":
            said["model"] = f"model-{document['model']}"
            if document["fine_tuned_model"]:
                said["fine_tuned_model"] = self.tuned_name(document["fine_tuned_model"])
        return said

    def tuned_name(self, name: str) -> str:
        """`ft:BASE:ORG:SUFFIX:ID` -> `ftmodel-ID`."""
        return f"ftmodel-{name.rpartition(':')[2]}"

    async def _estimate(self, request: Request) -> Response:
        asked = self.job_request(await request.json())
        size = self.service.files.get(str(asked["training_file"])).size
        epochs = asked["method"]["supervised"]["hyperparameters"].get("n_epochs", 3)
        alias = self.service.catalogue.resolve(asked["model"]).base
        price = self.service.settings.current().all_prices[split_date(alias)[0]].training
        tokens = size / BYTES_A_TOKEN * (epochs if isinstance(epochs, int) else 3)
        return json_response({"estimated_price": f"{tokens * price / 1e6:.6f}", "currency": "USD"})

    async def _load(self, request: Request) -> Response:
        asked = await request.json()
        required(asked, {"model_id"})
        if asked["model_id"] not in self.tunes:
            raise model_not_found(str(asked["model_id"]))
        adapter = Adapter(new_id("lora-"), asked["model_id"])
        self._adapters[adapter.id] = adapter
        return json_response(adapter.public(), 201)

    async def _list(self, request: Request) -> Response:
        for adapter in self._adapters.values():
            adapter.looks += 1
        return json_response({"lora_adapters": [adapter.public() for adapter in self._adapters.values()]})

    async def _unload(self, request: Request) -> Response:
        if self._adapters.pop(request.path_params["id"], None) is None:
            raise no_such("adapter", request.path_params["id"])
        return json_response({"id": request.path_params["id"], "status": "deleted"}, 202)
