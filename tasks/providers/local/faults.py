"""The fault list: which call, after how many, how many times, and what happens then.

A rule reads `{call: jobs.create, after: 1, times: 2, happens: {kind: reset, accepted: true}}`: of the calls that its
pattern matches, the first `after` pass, the next `times` are hit. Of several rules that would hit, the first does.
`happens: lost_answer` takes what happens from fault_catalogue.yaml. For a long random run, `{share: 0.1, seed: 7}`
hits one call in ten, and with the same seed the same ones.
"""

import random
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Self

import orjson
from pydantic import BeforeValidator, Field, RootModel, field_validator, model_validator

from tasks.providers.local.fault_kinds import Action, BatchFate, FileFate, JobFate, Part
from tasks.providers.local.settings import read_as
from tasks.providers.local.store import write_atomically

CATALOGUE = Path(__file__).parent / "fault_catalogue.yaml"
CALLS = (
    *("files.create", "files.list", "files.retrieve", "files.content", "files.delete"),
    *("uploads.create", "uploads.add", "uploads.complete", "uploads.cancel"),
    *("jobs.create", "jobs.list", "jobs.retrieve", "jobs.cancel", "jobs.pause", "jobs.resume"),
    *("jobs.events", "jobs.checkpoints", "graders.run", "graders.validate"),
    *("batches.create", "batches.list", "batches.retrieve", "batches.cancel"),
    *("models.list", "models.retrieve", "models.delete", "chat.create", "prices.list", "health", "unknown"),
)
_FATES: dict[type, tuple[str, ...]] = {
    JobFate: ("jobs.create",),
    FileFate: ("files.create", "uploads.complete"),
    BatchFate: ("batches.create",),
}


class Known(Part):
    """A fault of the catalogue. `calls` are those on which it makes sense, as a pattern or several."""

    says: str
    calls: list[str]
    happens: Action


class Catalogue(RootModel[dict[str, Known]]):
    """The content of fault_catalogue.yaml: faults by name."""


@lru_cache(maxsize=1)
def known_faults() -> dict[str, Known]:
    """The faults that a rule may name."""
    return read_as(Catalogue, CATALOGUE).root


def _by_name(happens: object) -> object:
    if not isinstance(happens, str):
        return happens
    if happens not in known_faults():
        raise ValueError(f"no fault {happens} is known; known are {', '.join(known_faults())}")
    return known_faults()[happens].happens


class Rule(Part):
    """One rule of the list."""

    call: str = Field(description=f"One of {', '.join(CALLS)}; * stands for anything, as in jobs.*")
    after: int = Field(0, ge=0, description="So many matching calls pass first")
    times: int | None = Field(1, ge=1, description="So many are hit; null: all that follow")
    share: float = Field(1, gt=0, le=1, description="Of those only this share is hit, drawn by `seed`")
    seed: int = Field(0, description="Another seed hits other calls")
    happens: Annotated[Action, BeforeValidator(_by_name, json_schema_input_type=Action | str)] = Field(
        description="What happens, or its name in fault_catalogue.yaml"
    )

    @field_validator("call")
    @classmethod
    def _matches_a_call(cls, pattern: str) -> str:
        if not any(fnmatchcase(call, pattern) for call in CALLS):
            raise ValueError(f"no call matches; calls are {', '.join(CALLS)}")
        return pattern

    @model_validator(mode="after")
    def _a_fate_needs_the_call_that_creates(self) -> Self:
        calls = _FATES.get(type(self.happens), CALLS)
        if not any(fnmatchcase(call, self.call) for call in calls):
            raise ValueError(f"a {self.happens.kind} fault goes with {' or '.join(calls)}")
        return self

    def hits(self, seen: int, position: int) -> bool:
        """Whether the call after `seen` matching ones is hit; `position` in the list makes rules draw differently."""
        due = seen >= self.after and (self.times is None or seen < self.after + self.times)
        draw = random.Random(f"{self.seed}:{position}:{seen}")  # noqa: S311 - a draw, not a secret
        return due and (self.share == 1 or draw.random() < self.share)


class FaultList(RootModel[list[Rule]]):
    """The content of a fault file."""


class Faults:
    """Counts calls against the rules. Counts outlive the server only when a rule kills it."""

    def __init__(self, rules: Sequence[Rule], counts_file: Path) -> None:
        self._rules, self._counts_file = rules, counts_file
        self._seen = [0] * len(rules)
        if counts_file.exists():
            kept = orjson.loads(counts_file.read_bytes())
            self._seen = kept["seen"] if kept["rules"] == self._shown() else self._seen

    @classmethod
    def from_file(cls, path: Path | None, counts_file: Path) -> "Faults":
        """Read the list. Raises ValueError that names rule and field."""
        return cls(read_as(FaultList, path).root if path else [], counts_file)

    def next(self, call: str) -> Action | None:
        """Count the call, and say what happens to it."""
        chosen: Action | None = None
        for position, rule in enumerate(self._rules):
            if fnmatchcase(call, rule.call):
                if chosen is None and rule.hits(self._seen[position], position):
                    chosen = rule.happens
                self._seen[position] += 1
        return chosen

    def keep_counts(self) -> None:
        """Write the counts down, before the server dies of a rule."""
        write_atomically(self._counts_file, orjson.dumps({"rules": self._shown(), "seen": self._seen}))

    def _shown(self) -> list[Any]:
        return [rule.model_dump(mode="json") for rule in self._rules]
