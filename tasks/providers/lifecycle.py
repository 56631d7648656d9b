"""Until when a base model is trained and served, as the vendors announced it: lifecycle.yaml, judged by a day."""

import re
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

from data_contracts.load import parse, read_yaml
from data_contracts.strict import Strict
from tasks.providers.protocol import ModelInfo, TrainingAccess

TABLE = Path(__file__).with_name("lifecycle.yaml")
_TUNE = re.compile(r"^ft:(?P<openai>[^:]+):|^(?P<foundry>.+)\.ft-")


class Notice(Strict):
    """Training is closed from a day on, to everybody or to some."""

    dialect: str
    from_: date
    says: str
    source: str
    as_of: date

    @property
    def reason(self) -> str:
        """One sentence with its source."""
        return f"{self.says} from {self.from_} on ({self.source}, read {self.as_of})"


class Lifetime(Strict):
    """Days of some base models; each is the first on which it is over."""

    dialect: str
    models: list[str]
    tunable: bool
    training_until: date
    new_customers_until: date | None = None
    shutdown_date: date
    tunes_until: date | None = None
    source: str
    as_of: date

    @property
    def read(self) -> str:
        """Where it is written."""
        return f"({self.source}, read {self.as_of})"


class Announced(Strict):
    """The whole table."""

    closed: list[Notice]
    narrowed: list[Notice]
    models: list[Lifetime]

    def lifetime(self, dialect: str, base_model: str) -> Lifetime | None:
        """What is announced for a base model."""
        rows = (row for row in self.models if row.dialect == dialect and base_model in row.models)
        return next(rows, None)


@cache
def announced() -> Announced:
    """lifecycle.yaml."""
    plain = read_yaml(TABLE)
    for notice in [*plain["closed"], *plain["narrowed"]]:
        notice["from_"] = notice.pop("from")
    return parse(Announced, plain, TABLE)


def dated(model: ModelInfo, dialect: str) -> ModelInfo:
    """The model with the announced days; what the provider's own listing says goes first."""
    tune = _TUNE.match(model.id)
    base = next(filter(None, tune.groups()), "") if tune else model.id
    row = announced().lifetime(dialect, base)
    if row is None:
        return model
    end = (row.tunes_until or row.shutdown_date) if tune else row.shutdown_date
    return replace(
        model,
        shutdown_date=model.shutdown_date or end.isoformat(),
        tunable=(row.tunable and not tune) if model.tunable is None else model.tunable,
        training_until=None if tune else model.training_until or row.training_until.isoformat(),
    )


def announced_access(dialect: str, base_model: str, today: date) -> TrainingAccess | None:
    """Whether a job may be started today as far as the announcements tell; None: they do not."""
    table = announced()
    for notice in table.closed:
        if notice.dialect == dialect and today >= notice.from_:
            return TrainingAccess(False, notice.reason)
    if row := table.lifetime(dialect, base_model):
        if today >= row.training_until:
            return TrainingAccess(False, f"training on {base_model} ended on {row.training_until} {row.read}")
        if row.new_customers_until and today >= row.new_customers_until:
            until = f"only existing customers train {base_model}, until {row.training_until} at the earliest"
            return TrainingAccess(None, f"{until} {row.read}")
    for notice in table.narrowed:
        if notice.dialect == dialect and today >= notice.from_:
            return TrainingAccess(None, notice.reason)
    return None
