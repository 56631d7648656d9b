"""A disk that dies: after so many files the process that writes run folders is gone."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tasks import run_folder


class KilledError(BaseException):
    """What a SIGKILL looks like from inside: no handler of the product catches it."""


@contextmanager
def dying_after(files: int) -> Iterator[None]:
    """Let `files` more files reach the disk, manifests included; then raise KilledError before the next one."""
    left = files
    write = run_folder.replace_file

    def write_or_die(*arguments: object) -> None:
        nonlocal left
        if left == 0:
            raise KilledError
        left -= 1
        write(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_folder, "replace_file", write_or_die)
        yield
