"""The registered winner: a model, a prompt and decoding parameters behind one `predict`, whoever answers.

MLflow stores this file itself (models from code, no pickle) and runs it where the model is loaded. It needs
TUNEGATE_HOME for the embedded provider only. TUNEGATE_PRODUCTION_LOG=FILE writes what it answers to a file for
`monitor.sources`; TUNEGATE_FOLLOW_ALIAS=champion lets a server answer through the new champion without a restart.
"""

from pathlib import Path
from typing import Any

import mlflow
from mlflow.pyfunc import PythonModel

from tasks.register.following import Following, meta_of
from tasks.register.winner import Winner


class ServedWinner(PythonModel):  # type: ignore[misc]
    """Answers through the champion of a trial."""

    def load_context(self, context: Any) -> None:  # noqa: ANN401 - MLflow's own type is private
        """Read the decision record; the provider is reached when the first question comes."""
        decision = Path(context.artifacts["decision"])
        name, version = meta_of(decision)
        self.following = Following(name, Winner.read(decision, context.artifacts.get("examples"), version))

    def predict(self, model_input: list[str | dict[str, Any]]) -> list[str]:
        """One answer an input: label, canonical JSON or text; the raw answer where it cannot be parsed.

        An input is a text, or a record with `input` or chat `messages`; id, group and fields stand in the log.
        """
        return self.following.now().answer(model_input)


mlflow.models.set_model(ServedWinner())
