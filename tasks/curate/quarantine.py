"""The records that were turned away, on disk as they come: one JSON line each, readable by their owner only."""

import dataclasses
import json
import os
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

from data_contracts.records import Rejection
from data_contracts.redaction import FORGOTTEN, Barred, token
from tasks.home import writable


class Quarantine:
    """A file of rejections with their raw text. Used as a context; what stood in the file before is replaced.

    Of a row that is to be forgotten it keeps where it stood, and no text.
    """

    def __init__(self, path: Path, barred: Barred | None = None) -> None:
        self.codes: Counter[str] = Counter()
        self._path, self._barred = path, barred or Barred()
        with writable(path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            self._stream = os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8")
            path.chmod(0o600)

    def add(self, rejection: Rejection) -> None:
        """Keep one rejection."""
        self.codes[rejection.code] += 1
        if rejection.remedy == FORGOTTEN or self._barred.has(rejection.id):
            rejection = dataclasses.replace(rejection, id=token(rejection.id), raw="")
        with writable(self._path):
            self._stream.write(json.dumps(dataclasses.asdict(rejection), ensure_ascii=False) + "\n")

    def __len__(self) -> int:
        return self.codes.total()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with writable(self._path):
            self._stream.close()
