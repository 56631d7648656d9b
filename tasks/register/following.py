"""A server that stays up while the champion changes: it looks after the alias, and answers through whoever has it."""

import logging
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tasks.clock import Clock, SystemClock
from tasks.register.winner import Winner

VARIABLE = "TUNEGATE_FOLLOW_ALIAS"  # such as champion; unset: the version that was loaded answers until the restart
LOOK_S = 30.0
META = "registered_model_meta"  # what MLflow writes beside a model that was loaded by its registered name
DECISION = "decision.json"
log = logging.getLogger("tunegate")


@dataclass
class Following:
    """The winner that answers, and when the alias was last looked at."""

    name: str  # of the registered model; empty: it was not loaded by one
    winner: Winner
    clock: Clock = field(default_factory=SystemClock)

    def __post_init__(self) -> None:
        self._looked = self.clock.monotonic()

    def now(self) -> Winner:
        """Who answers. A registry out of reach changes nobody: the next look comes half a minute later."""
        alias = os.environ.get(VARIABLE)
        if alias and self.name and self.clock.monotonic() - self._looked >= LOOK_S:
            self._looked = self.clock.monotonic()
            try:
                self._look(alias)
            except Exception as error:  # whatever the registry says, somebody waits for an answer
                log.warning("%s: %s stays, the registry says %s", VARIABLE, self.winner.version, type(error).__name__)
        return self.winner

    def _look(self, alias: str) -> None:
        from mlflow import MlflowClient

        version = int(MlflowClient().get_model_version_by_alias(self.name, alias).version)
        if version != self.winner.version:
            self.winner = _download(self.name, version)
            log.warning("%s: version %s of %s answers from now on", VARIABLE, version, self.name)


def meta_of(artifact: Path) -> tuple[str, int | None]:
    """Name and version under which a model was loaded, by one of its artifacts; "" and None where it has no name."""
    path = artifact.parents[1] / META
    if not path.is_file():
        return "", None
    from ruamel.yaml import YAML

    found = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    return str(found["model_name"]), int(found["model_version"])


def _download(name: str, version: int) -> Winner:
    import mlflow

    with tempfile.TemporaryDirectory() as folder:
        stored = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{version}", dst_path=folder)) / "artifacts"
        examples = next((str(file) for file in stored.glob("*.parquet")), None)
        return Winner.read(stored / DECISION, examples, version)
