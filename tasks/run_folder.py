"""A run's folder: each file written whole or not at all, and its sha256 in manifest.json."""

import hashlib
import json
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from pydantic import BaseModel

from tasks.errors import FormatVersionError, TunegateError
from tasks.storage import replace_file

FORMAT = 1
Model = TypeVar("Model", bound=BaseModel)


class TamperedFileError(TunegateError):
    """A file of a run is gone or is not the one that was recorded."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        return f"{self.path} {self.problem}: this run can no longer be trusted. Start a new one with `tunegate run`."


class RunFolder:
    """Files of one run. A name that stands in the manifest is complete."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def run(self) -> str:
        """The run's name."""
        return self.path.name

    def file(self, name: str) -> Path:
        """Path of a file, whether it exists or not."""
        return self.path / name

    def has(self, name: str) -> bool:
        """Whether the file was written whole."""
        return name in self.manifest()

    def manifest(self) -> dict[str, str]:
        """File name to sha256."""
        path = self.file("manifest.json")
        if not path.exists():
            return {}
        try:
            content = json.loads(path.read_bytes())
            found, files = int(content["format"]), dict(content["files"])
        except (ValueError, LookupError, TypeError) as error:
            raise TamperedFileError(str(path), "is no manifest") from error
        if found > FORMAT:
            raise FormatVersionError(str(path), found, FORMAT)
        return files

    def write_bytes(self, name: str, content: bytes) -> str:
        """Write a file and its manifest line; the sha256."""
        digest = hashlib.sha256(content).hexdigest()
        known = self.manifest().get(name)
        if known:  # both count until the new one is there: a kill in between must not look like tampering
            self._record(name, f"{known} {digest}")
        replace_file(self.file(name), content)
        self._record(name, digest)
        return digest

    def write_json(self, name: str, content: BaseModel | dict[str, Any]) -> str:
        """Write a document as indented JSON; the sha256."""
        plain = content.model_dump(mode="json") if isinstance(content, BaseModel) else content
        return self.write_bytes(name, json.dumps(plain, indent=2, ensure_ascii=False).encode() + b"\n")

    def write_lines(self, name: str, rows: Iterable[dict[str, Any]]) -> str:
        """Write one JSON object a line; the sha256."""
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        return self.write_bytes(name, "".join(f"{line}\n" for line in lines).encode())

    def write_frame(self, name: str, frame: pd.DataFrame) -> str:
        """Write a frame as Parquet; the sha256."""
        buffer = BytesIO()
        frame.to_parquet(buffer, index=False)
        return self.write_bytes(name, buffer.getvalue())

    def read_bytes(self, name: str) -> bytes:
        """The file's bytes, checked against the manifest."""
        expected = self.manifest().get(name)
        path = self.file(name)
        if expected is None or not path.exists():
            raise TamperedFileError(str(path), "is missing")
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() not in expected.split():
            raise TamperedFileError(str(path), "was changed after it was written")
        return content

    def read_json(self, name: str, model: type[Model]) -> Model:
        """A document, typed."""
        return model.model_validate_json(self.read_bytes(name))

    def read_frame(self, name: str) -> pd.DataFrame:
        """A frame."""
        return pd.read_parquet(BytesIO(self.read_bytes(name)))

    def changed_files(self) -> list[str]:
        """Files whose bytes are not what the manifest says; the audit of `tunegate verify`."""
        return [name for name in self.manifest() if not self._is_intact(name)]

    def _is_intact(self, name: str) -> bool:
        try:
            self.read_bytes(name)
        except TamperedFileError:
            return False
        return True

    def _record(self, name: str, digest: str) -> None:
        files = {**self.manifest(), name: digest}
        replace_file(
            self.file("manifest.json"), json.dumps({"format": FORMAT, "files": files}, indent=2).encode() + b"\n"
        )
