"""How long a training row may be: longer ones are quarantined with their figures and never cut off."""

from functools import cache
from pathlib import Path

from pydantic import BaseModel

from data_contracts.load import parse, read_yaml
from data_contracts.strict import Strict
from data_contracts.use_case import UseCase
from tasks.providers.prices import base_model_of

ROWS = Path(__file__).with_name("token_limits.yaml")


class LimitRow(Strict):
    """Tokens that one training example of a base model may have, where the figure comes from, and when it was read."""

    base_model: str
    tokens: int
    source: str
    as_of: str


class _Rows(BaseModel):
    rows: list[LimitRow]


def training_limit(case: UseCase) -> int | None:
    """`source.max_tokens`, else the base model's training context; None where that is not known."""
    return case.source.max_tokens or model_limit(case.fine_tune.base_model)


def model_limit(model: str) -> int | None:
    """The training context of a model, of its dated snapshots and of tunes of it."""
    name = base_model_of(model)
    fitting = [row for row in _rows() if name == row.base_model or _is_snapshot(name, row.base_model)]
    return max(fitting, key=lambda row: len(row.base_model)).tokens if fitting else None


def _is_snapshot(name: str, model: str) -> bool:
    return name.startswith(f"{model}-") and name[len(model) + 1 :].replace("-", "").isdigit()


@cache
def _rows() -> list[LimitRow]:
    return parse(_Rows, read_yaml(ROWS), ROWS).rows
