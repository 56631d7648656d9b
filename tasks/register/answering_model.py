"""What a version of the registered model is made of: a pyfunc from code, and the decision record that it answers by."""

import json
import tempfile
from pathlib import Path
from typing import Any

from data_contracts.candidate import Candidate

SERVED_MODEL = Path(__file__).with_name("served_model.py")


def log_answering_model(name: str, run_id: str, candidate: Candidate, decision: dict[str, Any], examples: str) -> Any:  # noqa: ANN401 - MLflow's own type
    """Log it to a run; MLflow's ModelInfo. `examples`: path of few-shot examples that go with it, or empty."""
    import mlflow

    with tempfile.TemporaryDirectory() as folder, mlflow.start_run(run_id=run_id):
        record = Path(folder) / "decision.json"
        record.write_text(json.dumps(decision, ensure_ascii=False), encoding="utf-8")
        return mlflow.pyfunc.log_model(
            name=name,
            python_model=str(SERVED_MODEL),
            artifacts={"decision": str(record), **({"examples": examples} if examples else {})},
            model_config={"model": candidate.model, "prompt": candidate.prompt.name},
            pip_requirements=["tunegate"],  # given, or MLflow spends seconds on guessing them
        )
