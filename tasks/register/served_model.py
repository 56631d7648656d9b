"""The registered winner: a model, a prompt and decoding parameters behind one `predict`, whoever answers.

MLflow stores this file itself (models from code, no pickle) and runs it where the model is loaded.
"""

import json
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel

from data_contracts.candidate import Candidate
from data_contracts.contract import Contract
from data_contracts.provider import ProviderSettings
from data_contracts.use_case import TaskKind
from tasks.errors import ConfigurationError
from tasks.prompting.few_shot import FewShots
from tasks.prompting.prompt import Renderer
from tasks.providers.completions import complete
from tasks.providers.connect import connect


class ServedWinner(PythonModel):  # type: ignore[misc]
    """Answers through the champion of a trial."""

    def load_context(self, context: Any) -> None:  # noqa: ANN401 - MLflow's own type is private
        """Read the decision record; the provider is reached when the first question comes."""
        record = json.loads(Path(context.artifacts["decision"]).read_text(encoding="utf-8"))
        self.candidate = Candidate.model_validate(record["candidate"])
        self.provider = ProviderSettings.model_validate(record["provider"])
        contract = Contract.model_validate(record["contract"])
        self.renderer = Renderer(TaskKind(record["kind"]), contract, record["labels"])
        examples = context.artifacts.get("examples") or record["train_examples"]
        self.few_shots = FewShots(_rows(examples)) if self.candidate.prompt.few_shot.count else None

    def predict(self, model_input: list[str]) -> list[str]:
        """One answer an input: label, canonical JSON or text; the raw answer where it cannot be parsed."""
        rule = self.candidate.prompt.few_shot
        shots = self.few_shots.choose(model_input, rule) if self.few_shots else [[] for _ in model_input]
        bodies = [
            self.renderer.request(self.candidate, [{"role": "user", "content": text}], examples)
            for text, examples in zip(model_input, shots, strict=True)
        ]
        answers = complete(connect(self.provider).answer_endpoint(), bodies)
        return [self.renderer.parse(answer, self.candidate.prompt) or answer for answer in answers]


def _rows(examples: str) -> pd.DataFrame:
    """The train rows that examples come from: in the registry, or where the text policy keeps them out, in the run."""
    if not Path(examples).is_file():
        problem = "is not here, and the use case's text policy keeps few-shot examples out of the registry"
        raise ConfigurationError(examples, problem, "Load the model where the trial ran, or bring that file there.")
    return pd.read_parquet(examples)


mlflow.models.set_model(ServedWinner())
