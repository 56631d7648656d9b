"""State on disk that a kill cannot tear: one JSON document an object, written aside, synced and renamed."""

import os
import secrets
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

_ALPHABET = string.ascii_letters + string.digits


class Record(BaseModel):
    """A stored object; `order` grows with creation."""

    model_config = ConfigDict(frozen=True)

    id: str
    order: int


R = TypeVar("R", bound=Record)


class Collection(Generic[R]):
    """Objects of one kind, in memory and as `FOLDER/ID.json`."""

    def __init__(self, folder: Path, kind: type[R]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        loaded = (kind.model_validate_json(path.read_bytes()) for path in folder.glob("*.json"))
        self._records = {record.id: record for record in loaded}
        self._next = max((record.order for record in self._records.values()), default=0) + 1

    def next_order(self) -> int:
        """A number larger than that of every object so far."""
        self._next += 1
        return self._next - 1

    def get(self, identifier: str) -> R | None:
        """The object, if there is one."""
        return self._records.get(identifier)

    def put(self, record: R) -> None:
        """Keep it, on disk before in memory."""
        write_atomically(self.folder / f"{record.id}.json", record.model_dump_json().encode())
        self._records[record.id] = record

    def delete(self, identifier: str) -> None:
        """Forget it."""
        (self.folder / f"{identifier}.json").unlink(missing_ok=True)
        self._records.pop(identifier, None)

    def newest_first(self) -> list[R]:
        """All objects."""
        return sorted(self._records.values(), key=lambda record: -record.order)

    def __iter__(self) -> Iterator[R]:
        return iter(list(self._records.values()))


def write_atomically(path: Path, content: bytes) -> None:
    """Either the old file or the whole new one is there, whenever the process dies."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def new_id(prefix: str, length: int = 24) -> str:
    """A fresh identifier such as `file-` and 24 letters and digits."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))
