"""A registered version as an auditor finds it in MLflow: tags, artifacts and their hashes, prompt text, runs."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_contracts.lineage import Lineage
from data_contracts.redaction import REDACTIONS
from tasks.register.lineage import NAME, SIGNATURE, described, short_tags
from tasks.register.mlflow_registry import Registry
from tasks.register.store import ABSENT, reachable

META = "registered_model_meta"  # written by MLflow into what is downloaded
ARTIFACTS = "artifacts"
SIGNED = "tunegate.signature_sha256"
HASHES = "tunegate.artifacts"  # of a version without lineage: JSON of artifact to sha256
OURS = (f"{ARTIFACTS}/{NAME}", f"{ARTIFACTS}/{SIGNATURE}")  # put in once the others are hashed


@dataclass(frozen=True)
class VersionRecord:
    """What MLflow holds of one version. `documents`: content of the artifacts that say why, by file name."""

    name: str
    version: int
    tags: Mapping[str, str]
    description: str
    files: Mapping[str, str]  # artifact to sha256
    documents: Mapping[str, bytes]
    candidate: bytes  # candidate.json of the run that the version came from: what a trial takes the champion for
    prompt_text: str | None  # None: its tags name no prompt of the registry, or one that is gone
    logged: Mapping[str, str]  # file of the trial's own run to sha256

    @property
    def hashed(self) -> dict[str, str]:
        """Artifacts whose hashes its lineage holds."""
        return {name: sha256 for name, sha256 in self.files.items() if name not in OURS}


class VersionRecords:
    """The versions of one registered model, read and added to."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.client: Any = registry.client

    @reachable()
    def told_by(self, run: str) -> list[int]:
        """Versions whose tags tell of that run: made by it, or given another role by it."""
        wanted = f"name = '{self.registry.name}' and tags.`tunegate.run` = '{run}'"
        return sorted(int(found.version) for found in self.client.search_model_versions(wanted))

    @reachable()
    def read(self, version: int) -> VersionRecord:
        """Everything of a version that an audit looks at."""
        found = self.client.get_model_version(self.registry.name, str(version))
        with tempfile.TemporaryDirectory() as folder:
            files = self._download(version, Path(folder))
            names = ("decision.json", NAME, SIGNATURE, REDACTIONS)
            paths = {name: files[path] for name in names if (path := f"{ARTIFACTS}/{name}") in files}
            return VersionRecord(
                name=self.registry.name,
                version=version,
                tags=dict(found.tags),
                description=found.description or "",
                files={name: _sha256(path) for name, path in files.items()},
                documents={name: path.read_bytes() for name, path in paths.items()},
                candidate=self._of_run(found.run_id, "candidate.json", Path(folder)),
                prompt_text=self._prompt(found.tags.get("tunegate.prompt_version", "")),
                logged=self._logged(found.tags.get("tunegate.run", ""), Path(folder)),
            )

    @reachable()
    def logged(self, run: str) -> dict[str, str]:
        """Files of a trial's own run to sha256, the lineage and what lies in folders aside."""
        with tempfile.TemporaryDirectory() as folder:
            return self._logged(run, Path(folder))

    @reachable()
    def attach(self, version: int, found: Lineage, files: Sequence[Path], sha256: str) -> None:
        """Put lineage.json and its signature beside the decision record, and what is short into tags and description.

        Doing it again changes nothing. The version keeps the lineage of the trial that its tags tell of.
        """
        kept = self.client.get_model_version(self.registry.name, str(version))
        with tempfile.TemporaryDirectory() as folder:
            for file in files:
                shutil.copy(file, folder)
            self.client.log_model_artifacts(kept.source.removeprefix("models:/"), folder, ARTIFACTS)
        tags = short_tags(found, version, sha256)
        tags |= next(({SIGNED: _sha256(file)} for file in files if file.name == SIGNATURE), {})
        for name, value in tags.items():
            self.client.set_model_version_tag(self.registry.name, str(version), name, value)
        description = described(kept.description or "", found, version)
        self.client.update_model_version(self.registry.name, str(version), description)

    @reachable()
    def keep_hashes(self, version: int) -> None:
        """Note the hashes of a version that no trial tells of, such as an adopted tune's, in a tag of it."""
        with tempfile.TemporaryDirectory() as folder:
            files = {name: _sha256(path) for name, path in self._download(version, Path(folder)).items()}
        self.client.set_model_version_tag(self.registry.name, str(version), HASHES, json.dumps(files))

    @reachable()
    def log(self, run_id: str, files: Sequence[Path]) -> None:
        """The same files in the trial's own run."""
        for file in files:
            self.client.log_artifact(run_id, str(file))

    def _download(self, version: int, folder: Path) -> dict[str, Path]:
        """Artifact name to where it lies now."""
        import mlflow

        uri = f"models:/{self.registry.name}/{version}"
        root = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder / "version")))
        found = sorted(path for path in root.rglob("*") if path.is_file() and path.name != META)
        return {path.relative_to(root).as_posix(): path for path in found}

    def _of_run(self, run_id: str, name: str, folder: Path) -> bytes:
        present = {item.path for item in self.client.list_artifacts(run_id)}
        if name not in present:
            return b""
        return Path(self.client.download_artifacts(run_id, name, dst_path=str(folder))).read_bytes()

    def _logged(self, run: str, folder: Path) -> dict[str, str]:
        run_id = self.registry.store.find_run(tunegate__run=run, tunegate__role="trial") if run else None
        if run_id is None:
            return {}
        present = [item.path for item in self.client.list_artifacts(run_id) if not item.is_dir]
        files = [name for name in present if name not in (NAME, SIGNATURE)]
        contents = {name: self._of_run(run_id, name, folder) for name in files}
        return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}

    def _prompt(self, uri: str) -> str | None:
        from mlflow.exceptions import MlflowException

        name, _, number = uri.removeprefix("prompts:/").rpartition("/")
        if not name:
            return None
        try:
            found = self.client.get_prompt_version(name, number)
        except MlflowException as error:
            if error.error_code in ABSENT:
                return None
            raise
        return str(found.template) if found else None


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
