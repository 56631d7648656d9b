"""Machine code for inner loops."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

Loop = TypeVar("Loop", bound=Callable[..., Any])

HERE = Path(__file__).parent
# A loop takes constants and loops from other files, of which numba's cache knows nothing: any change of this folder
# begins a new cache. Where that cannot be written, numba keeps it in the user's.
SOURCES = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(HERE.glob("*.py"))))
CACHE = Path(numba.config.CACHE_DIR or HERE / "__pycache__") / f"compiled-{SOURCES.hexdigest()[:12]}"


def compiled(loop: Loop) -> Loop:
    """Compiled at its first call and kept on disk; runs beside other threads."""
    usual, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(CACHE)
    try:
        return cast(Loop, numba.njit(nogil=True, cache=True)(loop))
    finally:
        numba.config.CACHE_DIR = usual
