"""The ways to train, with their hyperparameters: as asked for, and, once the training file is known, as used."""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from tasks.providers.local.errors import Body
from tasks.providers.local.graders import AnyGrader
from tasks.providers.local.pages import Public

AUTO: Literal["auto"] = "auto"
MethodName = Literal["supervised", "dpo", "reinforcement"]
Auto = Literal["auto"]


class Hyperparameters(Body):
    """Those of every method."""

    n_epochs: Annotated[int, Field(ge=1, le=50)] | Auto = AUTO
    batch_size: Annotated[int, Field(ge=1, le=256)] | Auto = AUTO
    learning_rate_multiplier: Annotated[float, Field(gt=0, allow_inf_nan=False)] | Auto = AUTO

    def resolve(self, examples: int) -> Self:
        """Values for `auto`: three epochs of about twenty steps."""
        chosen = {name: value for name, value in self.model_dump().items() if value != AUTO}
        return self.model_validate(self._defaults(examples) | chosen)

    def _defaults(self, examples: int) -> dict[str, Any]:
        return {"n_epochs": 3, "batch_size": min(256, math.ceil(examples / 20)), "learning_rate_multiplier": 1.0}


class DpoHyperparameters(Hyperparameters):
    """`beta`: how dear it is to move away from the base model."""

    beta: Annotated[float, Field(gt=0, le=2)] | Auto = AUTO

    def _defaults(self, examples: int) -> dict[str, Any]:
        return super()._defaults(examples) | {"beta": 0.1}


class ReinforcementHyperparameters(Hyperparameters):
    """How often and on how many examples to evaluate; effort and compute change nothing here, and are kept."""

    reasoning_effort: Literal["default", "low", "medium", "high"] = "default"
    compute_multiplier: Annotated[float, Field(gt=1e-5, le=10)] | Auto = AUTO
    eval_interval: Annotated[int, Field(ge=1)] | Auto = AUTO
    eval_samples: Annotated[int, Field(ge=1)] | Auto = AUTO

    def _defaults(self, examples: int) -> dict[str, Any]:
        return super()._defaults(examples) | {"compute_multiplier": 1.0, "eval_interval": 5, "eval_samples": 1}


AnyHyperparameters = ReinforcementHyperparameters | DpoHyperparameters | Hyperparameters


_KINDS: dict[str, type[AnyHyperparameters]] = {
    "supervised": Hyperparameters,
    "dpo": DpoHyperparameters,
    "reinforcement": ReinforcementHyperparameters,
}


class Supervised(Body):
    """The part of `method` that is named after it."""

    hyperparameters: Hyperparameters | None = None


class Dpo(Body):
    """Preferences: an answer that is better, one that is worse."""

    hyperparameters: DpoHyperparameters | None = None


class Reinforcement(Body):
    """A grader's rewards."""

    grader: AnyGrader
    hyperparameters: ReinforcementHyperparameters | None = None


class Method(Body):
    """How to train."""

    type: MethodName = "supervised"
    supervised: Supervised | None = None
    dpo: Dpo | None = None
    reinforcement: Reinforcement | None = None

    @model_validator(mode="after")
    def _says_no_more_than_its_type(self) -> Self:
        given = {name for name in ("supervised", "dpo", "reinforcement") if getattr(self, name) is not None}
        if given - {self.type}:
            raise ValueError(f"only `{self.type}` goes with this type")
        if self.type == "reinforcement" and not self.reinforcement:
            raise ValueError("`reinforcement` with a grader is needed")
        return self

    @property
    def grader(self) -> AnyGrader | None:
        """What rewards answers."""
        return self.reinforcement.grader if self.reinforcement else None

    @property
    def hyperparameters(self) -> AnyHyperparameters:
        """Those of its type; the defaults where none are given."""
        own = getattr(self, self.type)
        found: AnyHyperparameters = (own and own.hyperparameters) or _KINDS[self.type]()
        return found

    def using(self, hyperparameters: AnyHyperparameters) -> "Method":
        """The same with these hyperparameters."""
        own = {"hyperparameters": hyperparameters, **({"grader": self.grader} if self.grader else {})}
        return Method.model_validate({"type": self.type, self.type: own})

    def public(self) -> Public:
        """As the wire shows it."""
        return self.model_dump(exclude_none=True)
