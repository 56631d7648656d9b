"""Machine code for inner loops."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba  # type: ignore[import-untyped]

Loop = TypeVar("Loop", bound=Callable[..., Any])


def compiled(loop: Loop) -> Loop:
    """Compiled at its first call and kept on disk; runs beside other threads.

    The copy on disk is as old as the loop's own file: a loop must call compiled ones of its own file only.
    """
    return cast(Loop, numba.njit(nogil=True, cache=True)(loop))
