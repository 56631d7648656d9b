"""A store of answers that is one file: a line an answer, appended as soon as it came, flushed before it counts.

For an engine that runs without the ledger. Money is counted there, so a trial writes to the ledger alone.
"""

import json
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from data_contracts.answers import StoredAnswer
from tasks.errors import ResumableError
from tasks.home import writable


class FileJournal:
    """An AnswerStore for one process at a time, readable by its user only: answers are row text."""

    def __init__(self, path: Path | str) -> None:
        self._path, self._answers = Path(path), dict[str, StoredAnswer]()
        self._writing = threading.Lock()
        with writable(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            content = self._path.read_bytes()
            self._length = content.rfind(b"\n") + 1
            os.ftruncate(self._file, self._length)  # a kill in the middle of a line: that answer is asked for again
        for line in content[: self._length].splitlines():
            self._learn(StoredAnswer(**json.loads(line)))

    def stored_answers(self, requests: Sequence[str]) -> dict[str, StoredAnswer]:
        """The answers that are there, by request hash."""
        return {request: self._answers[request] for request in requests if request in self._answers}

    def write(self, answer: StoredAnswer) -> None:
        """Append one answer: a kill cannot lose it any more, a loss of power can until the next `store_answers`.

        Raises ResumableError where the disk is full.
        """
        with self._named():
            self._append([answer])

    def store_answers(self, answers: Iterable[StoredAnswer]) -> None:
        """Keep them, all or none; the first answer to a request stays. Raises ResumableError where the disk is full."""
        with self._named():
            self._append(answers)
            os.fsync(self._file)

    def _append(self, answers: Iterable[StoredAnswer]) -> None:
        """In the file, whole, or not at all."""
        with self._writing:
            new = {answer.request: answer for answer in answers if answer.request not in self._answers}
            lines = "".join(f"{json.dumps(asdict(answer))}\n" for answer in new.values()).encode()
            left = memoryview(lines)
            try:
                while left:
                    left = left[os.write(self._file, left) :]
            except OSError:
                os.ftruncate(self._file, self._length)
                raise
            self._length += len(lines)
            self._answers |= new

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            remedy = "See that the disk has room, then run again: what was answered before is kept."
            raise ResumableError(f"The journal {self._path}", str(error.strerror), remedy) from error

    def _learn(self, answer: StoredAnswer) -> None:
        self._answers.setdefault(answer.request, answer)
