"""Amazon Bedrock's OpenAI endpoint: reinforcement by a Lambda function only, and tunes that answer at once.

Pages: "Create and manage fine-tuning jobs for open-weight models using OpenAI APIs", "Prepare data for open-weight
models", https://docs.aws.amazon.com/bedrock/latest/userguide/fine-tuning-openai-job-create.html, read 2026-11-22.
"""

import json
import re

from tasks.providers.local.dialects import Tongue, hyperparameters, required
from tasks.providers.local.errors import ApiError
from tasks.providers.local.pages import Public

FIELDS = {"model", "training_file", "validation_file", "method"}
KNOWN = {"n_epochs", "batch_size", "learning_rate_multiplier"}
LEAST = 100
ARN = re.compile(r"arn:aws:lambda:[a-z0-9-]+:\d{12}:function:[\w-]+")
STAND_IN = {  # what the function is taken to do: compare with the reference
    "type": "string_check",
    "name": "lambda",
    "input": "{{sample.output_text}}",
    "reference": "{{item.reference_answer}}",
    "operation": "eq",
}


class Mantle(Tongue):
    """No suffix, no metadata, no deletion of models; the endpoint lists base models only."""

    def path(self, path: str) -> str:
        """Tunes cannot be looked up among the models."""
        if path.startswith("/v1/models/"):
            raise ApiError(404, "The requested operation is not supported.", code="unsupported_operation")
        return path

    def job_request(self, asked: Public) -> Public:
        """Reinforcement with a Lambda grader, on at least 100 rows with a reference_answer."""
        required(asked, FIELDS)
        given = hyperparameters(asked, "reinforcement")
        required(given, KNOWN, "hyperparameters.")
        grader = asked["method"]["reinforcement"].get("grader") or {}
        function = (grader.get("lambda") or {}).get("function", "")
        if grader.get("type") != "lambda" or not ARN.fullmatch(function):
            raise ApiError(400, "The grader must be a Lambda function.", "grader", "invalid_value")
        self._check_rows(str(asked.get("training_file")))
        method = {"type": "reinforcement", "reinforcement": {"grader": STAND_IN, "hyperparameters": given}}
        return {**asked, "method": method}

    def chat_request(self, asked: Public) -> Public:
        """A tune answers by its ARN."""
        name = str(asked.get("model"))
        if name.startswith("ft:"):
            raise ApiError(404, "The model does not exist.", code="model_not_found")
        return {**asked, "model": self.tunes.get(name, name)}

    def shown(self, document: Public) -> Public | None:
        """Jobs without metadata; tunes are not listed."""
        if document.get("object") == "model" and str(document["id"]).startswith("ft:"):
            return None
        said = {name: value for name, value in document.items() if name not in ("metadata", "method", "tunable")}
        if said.get("fine_tuned_model"):
            said["fine_tuned_model"] = self.tuned_name(said["fine_tuned_model"])
        return said

    def tuned_name(self, name: str) -> str:
        """`ft:BASE:ORG:SUFFIX:ID` -> an ARN."""
        return f"arn:aws:bedrock:us-west-2:123456789012:custom-model/{name.rpartition(':')[2]}"

    def _check_rows(self, file_id: str) -> None:
        rows = self.service.files.content(file_id).read_text("utf-8").splitlines()
        if len(rows) < LEAST or not all("reference_answer" in json.loads(row) for row in rows):
            message = f"The dataset needs {LEAST} records, each with a reference_answer."
            raise ApiError(400, message, "training_file", "invalid_value")
