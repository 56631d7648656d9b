"""POST /fine_tuning/alpha/graders/run: one answer graded, with what went wrong."""

import time
from typing import Any

from pydantic import Field

from tasks.providers.local.errors import Body
from tasks.providers.local.graders import AnyGrader, Case, MissingVariableError, Multi
from tasks.providers.local.pages import Public

_FLAGS = (
    *("formula_parse_error", "sample_parse_error", "truncated_observation_error", "unresponsive_reward_error"),
    *("invalid_variable_error", "other_error", "python_grader_server_error", "python_grader_runtime_error"),
    *("model_grader_server_error", "model_grader_refusal_error", "model_grader_parse_error"),
)
_DETAILS = (
    *("python_grader_server_error_type", "python_grader_runtime_error_details"),
    "model_grader_server_error_details",
)


class GraderToRun(Body):
    """Body of .../graders/run and, without the rest, of .../validate."""

    grader: AnyGrader
    model_sample: str = ""
    item: dict[str, Any] = Field(default_factory=dict)


def graded(asked: GraderToRun) -> Public:
    """The reward; 0 and a flag where it could not be worked out."""
    started, grader = time.monotonic(), asked.grader
    case, errors = Case(asked.model_sample, asked.item), dict.fromkeys(_FLAGS, False) | dict.fromkeys(_DETAILS)
    reward, parts = 0.0, dict[str, float]()
    try:
        parts = grader.parts(case) if isinstance(grader, Multi) else {}
        reward = grader.grade(case)
    except MissingVariableError as missing:
        found = "sample_parse_error" if str(missing) == "sample.output_json" else "invalid_variable_error"
        errors[found] = True
    except ValueError:
        errors["formula_parse_error"] = True
    metadata: Public = {"name": grader.name, "type": grader.type, "errors": errors, "scores": parts}
    metadata["token_usage"] = None
    metadata |= {"execution_time": round(time.monotonic() - started, 6), "sampled_model_name": None}
    return {"reward": reward, "metadata": metadata, "sub_rewards": parts, "model_grader_token_usage_per_model": {}}
