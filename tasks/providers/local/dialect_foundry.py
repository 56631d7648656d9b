"""Microsoft Foundry: /openai/v1, and Azure's Resource Manager for deployments.

Pages: "Customize a model with Azure OpenAI and the REST API", "Deploy a fine-tuned model",
https://learn.microsoft.com/azure/foundry/openai/how-to/fine-tuning, read 2026-11-22.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tasks.providers.local.dialects import Tongue
from tasks.providers.local.errors import ApiError
from tasks.providers.local.handlers import Service, json_response
from tasks.providers.local.pages import Public

BOM = b"\xef\xbb\xbf"
OPEN_WEIGHT = "local-base-large"  # stands for the models whose jobs need a trainingType
TYPES = ("standard", "globalstandard", "developertier")
DEPLOYMENT = (
    "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.CognitiveServices"
    "/accounts/{account}/deployments/{name}"
)
DOOMED = "doomed"  # a suffix: the deployment of such a tune fails


@dataclass
class Deployment:
    """One deployment; it becomes ready from look to look."""

    name: str
    body: Public
    looks: int = 0
    asked: int = 0

    @property
    def model(self) -> str:
        """The tuned model."""
        return str(self.body["properties"]["model"]["name"])

    @property
    def state(self) -> str:
        """As Resource Manager says it."""
        if self.looks < 2:
            return "Creating"
        return "Failed" if self.model.endswith(DOOMED) else "Succeeded"

    def public(self) -> Public:
        """As Resource Manager shows it."""
        error = {"error": {"code": "InternalServerError", "message": "no capacity"}} if self.state == "Failed" else {}
        shown: dict[str, Any] = {**self.body["properties"], "provisioningState": self.state, **error}
        return {"name": self.name, "sku": self.body["sku"], "properties": shown}


class Foundry(Tongue):
    """A key in `api-key`, BOM and trainingType, and an answer only by deployment name."""

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._deployments: dict[str, Deployment] = {}
        self.routes = [
            Route(DEPLOYMENT, self._put, methods=["PUT"], name="deployments.put"),
            Route(DEPLOYMENT, self._get, methods=["GET"], name="deployments.get"),
            Route(DEPLOYMENT, self._delete, methods=["DELETE"], name="deployments.delete"),
        ]

    def path(self, path: str) -> str:
        """Under /openai/v1, without a way to delete a model."""
        if not path.startswith("/openai/v1/"):
            raise ApiError(404, "Resource not found", code="404")
        inner = path.removeprefix("/openai")
        outer = inner.removeprefix("/v1/models/")
        return f"/v1/models/{self.tunes[outer]}" if outer in self.tunes else inner

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """`api-key` is OpenAI's bearer token."""
        own = {"authorization": f"Bearer {headers['api-key']}"} if "api-key" in headers else {}
        return {**headers, **own}

    def job_request(self, asked: Public) -> Public:
        """With a trainingType and a short suffix, on files with a byte-order mark that are imported."""
        suffix, kind = str(asked.get("suffix") or ""), asked.pop("trainingType", None)
        if len(suffix) > 18 or "." in suffix:
            raise ApiError(400, "The suffix has more than 18 characters, or a dot.", "suffix", "invalidPayload")
        if kind is None and str(asked.get("model")).startswith(OPEN_WEIGHT):
            raise ApiError(400, "This model needs a trainingType.", "trainingType", "invalidPayload")
        if kind is not None and str(kind).lower() not in TYPES:
            raise ApiError(400, "The trainingType is unknown.", "trainingType", "invalidPayload")
        for param in ("training_file", "validation_file"):
            if asked.get(param):
                self._check_file(str(asked[param]))
        return asked

    def chat_request(self, asked: Public) -> Public:
        """A tuned model answers by the name of its deployment only, and not at once."""
        name = str(asked.get("model"))
        found = self._deployments.get(name)
        if found:
            found.asked += 1
        if name.startswith("ft:") or name in self.tunes or (found and (found.state != "Succeeded" or found.asked < 2)):
            raise ApiError(404, "The API deployment for this resource does not exist.", code="DeploymentNotFound")
        return {**asked, "model": self.tunes[found.model]} if found else asked

    def shown(self, document: Public) -> Public | None:
        """Tuned models under Foundry's names."""
        said = dict(document)
        for key in ("fine_tuned_model", "id"):
            if str(said.get(key)).startswith("ft:"):
                said[key] = self.tuned_name(said[key])
        said.pop("tunable", None)
        return said

    def tuned_name(self, name: str) -> str:
        """`ft:BASE:ORG:SUFFIX:ID` -> `BASE.ft-ID-SUFFIX`."""
        _, base, _, suffix, identifier = name.split(":")
        return f"{base}.ft-{identifier.lower()}" + (f"-{suffix}" if suffix else "")

    def _check_file(self, file_id: str) -> None:
        files = self.service.files
        if files.public(file_id)["status"] != "processed":
            raise ApiError(400, "The file is still being imported.", code="fileNotReady")
        if not files.content(file_id).read_bytes().startswith(BOM):
            raise ApiError(400, "The file must be UTF-8 with a byte-order mark.", code="invalidFileFormat")

    async def _put(self, request: Request) -> Response:
        self._check_manager(request)
        body = await request.json()
        model = (body.get("properties") or {}).get("model") or {}
        if set(model) != {"format", "name", "version"} or set(body.get("sku") or {}) != {"name", "capacity"}:
            raise ApiError(400, "The request body is not valid.", code="InvalidRequestContent")
        if model["name"] not in self.tunes:
            raise ApiError(400, "The model does not exist.", code="DeploymentModelNotSupported")
        if body["sku"]["capacity"] > 1000:
            raise ApiError(400, "This needs more quota than there is.", code="InsufficientQuota")
        name = request.path_params["name"]
        made = self._deployments.setdefault(name, Deployment(name, body))
        return json_response(made.public(), 201)

    async def _get(self, request: Request) -> Response:
        self._check_manager(request)
        found = self._deployments.get(request.path_params["name"])
        if found is None:
            raise ApiError(404, "The deployment was not found.", code="ResourceNotFound")
        found.looks += 1
        return json_response(found.public())

    async def _delete(self, request: Request) -> Response:
        self._check_manager(request)
        gone = self._deployments.pop(request.path_params["name"], None)
        return Response(status_code=202 if gone else 204)

    def _check_manager(self, request: Request) -> None:
        """Resource Manager takes a token of its own, never the resource's key, and wants an api-version."""
        if not request.headers.get("authorization", "").startswith("Bearer arm-") or "api-key" in request.headers:
            raise ApiError(401, "The token is not of Resource Manager.", code="InvalidAuthenticationToken")
        if "api-version" not in request.query_params:
            raise ApiError(400, "The api-version query parameter is missing.", code="MissingApiVersionParameter")
