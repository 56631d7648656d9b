"""What MLflow holds of rows that are to be forgotten: artifacts of runs and versions, and texts of prompts."""

import hashlib
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from data_contracts.redaction import RedactedArtifact
from tasks.register.mlflow_registry import EXAMPLES_NOW, Registry
from tasks.register.store import reachable

Erase = Callable[[Path, Path], bool]  # writes the file without the rows to the second path; False: it holds none
Changed = Callable[[RedactedArtifact], None]
EXAMPLES, DECISION = "examples.parquet", "decision.json"
NOW, WHY = EXAMPLES_NOW, "tunegate.redacted"
MODELS = "models"


@dataclass(frozen=True)
class Place:
    """A run or a logged model with its artifacts; `trial` is the run folder's name, `path` where they lie."""

    name: str
    path: str
    trial: str
    versions: tuple[int, ...] = ()


class RegistryRedaction:
    """Rewrites in place, wherever the use case's artifacts are kept: a folder, S3, behind a server."""

    def __init__(self, use_case: str, kinds: tuple[str, ...]) -> None:
        self.registry = Registry(use_case)
        self.kinds = kinds
        self.client: Any = self.registry.client

    @reachable()
    def places(self) -> list[Place]:
        """Every folder of artifacts, of deleted runs and models too."""
        if self.client.get_experiment_by_name(self.registry.store.use_case) is None:
            return []
        tops = [item.path for item in self._repository.list_artifacts() if item.is_dir]
        models = [item.path for item in self._repository.list_artifacts(MODELS)] if MODELS in tops else []
        runs = [self._run(top) for top in tops if top != MODELS]
        return [*runs, *map(self._model, models)]

    @reachable()
    def erase(self, place: Place, erase: Erase, changed: Changed) -> list[str]:
        """Artifacts that held the rows, by path; each is told to `changed` before it is replaced."""
        found = []
        with tempfile.TemporaryDirectory() as folder:
            names = [name for name in self._files(place.path) if name.endswith(self.kinds)]
            for name in names:
                self._repository.download_artifacts(name, dst_path=folder)
            for name in sorted(names, key=lambda name: (not name.endswith(".html"), name)):
                made = Path(folder) / "made" / PurePosixPath(name).name
                made.parent.mkdir(exist_ok=True)
                if erase(Path(folder) / name, made):
                    self._replace(place, name, (Path(folder) / name, made), changed)
                    found.append(name)
        return found

    @reachable()
    def explain(self, place: Place, records: Iterable[Path], sentence: str) -> None:
        """Put redactions.json and its signature where an auditor looks, and say on the versions that rows went."""
        beside = [name for name in self._files(place.path) if name.endswith((DECISION, "verdict.json"))]
        for record in records if beside else ():
            self._repository.log_artifact(str(record), str(PurePosixPath(beside[0]).parent))
        for version in place.versions:
            self.client.set_model_version_tag(self.registry.name, str(version), WHY, sentence)

    @reachable()
    def strike_prompts(self, strike: Callable[[str], str]) -> list[str]:
        """Versions in the prompt registry whose text quoted a row; it is struck."""
        from mlflow.prompt.constants import PROMPT_TEXT_TAG_KEY

        name, found = self.registry.prompts.name, []
        for version in self.client.search_model_versions(f"name = '{name}'"):
            text = version.tags.get(PROMPT_TEXT_TAG_KEY, "")
            if (struck := strike(text)) != text:
                self.client.set_model_version_tag(name, str(version.version), PROMPT_TEXT_TAG_KEY, struck)
                found.append(f"prompts:/{name}/{version.version}")
        return found

    @reachable()
    def versions_of(self, models: Collection[str]) -> list[int]:
        """Registered versions that answer through one of these models."""
        found = self.client.search_model_versions(f"name = '{self.registry.name}'")
        return sorted(int(version.version) for version in found if version.tags.get("tunegate.model") in models)

    def _replace(self, place: Place, name: str, files: tuple[Path, Path], changed: Changed) -> None:
        before, after = map(_sha256, files)
        changed(RedactedArtifact(place=place.name, name=name, before=before, after=after))
        if name.endswith(EXAMPLES):  # before the file: whoever loads the champion meanwhile takes either
            for version in place.versions:
                self.client.set_model_version_tag(self.registry.name, str(version), NOW, after)
        self._repository.log_artifact(str(files[1]), str(PurePosixPath(name).parent))

    @cached_property
    def _repository(self) -> Any:  # noqa: ANN401 - MLflow is untyped
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        experiment = self.client.get_experiment(self.registry.store.experiment_id)
        return get_artifact_repository(experiment.artifact_location)

    def _files(self, path: str) -> Iterator[str]:
        for item in self._repository.list_artifacts(path):
            if item.is_dir:
                yield from self._files(item.path)
            else:
                yield item.path

    def _run(self, path: str) -> Place:
        return Place(f"run {path}", path, self._trial(path))

    def _model(self, path: str) -> Place:
        id_ = PurePosixPath(path).name
        versions = self._versions.get(id_, [])
        trial = self._trial(versions[0][1]) if versions else ""
        return Place(f"model {id_}", path, trial, tuple(number for number, _ in versions))

    @cached_property
    def _versions(self) -> dict[str, list[tuple[int, str]]]:
        """Model id to the registered versions of it, and the run each came from."""
        found: dict[str, list[tuple[int, str]]] = {}
        for version in self.client.search_model_versions(f"name = '{self.registry.name}'"):
            id_ = version.source.rpartition("/")[2]
            found.setdefault(id_, []).append((int(version.version), version.run_id))
        return found

    def _trial(self, run_id: str) -> str:
        """Name of the run folder; that of a candidate is its parent's. Empty: not known here any more."""
        from mlflow.exceptions import MlflowException

        try:
            tags = self.client.get_run(run_id).data.tags
        except MlflowException:
            return ""
        return tags.get("tunegate.run") or (self._trial(parent) if (parent := tags.get("mlflow.parentRunId")) else "")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
