"""Threads for compiled code, which runs side by side. No result depends on how many there are."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

WORKERS = min(16, os.cpu_count() or 1)
ROWS_A_PIECE = 4096


def each(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """The results in the order of the items."""
    with ThreadPoolExecutor(WORKERS) as threads:
        return list(threads.map(work, items))


def pieces(rows: int) -> Iterator[slice]:
    """All rows, some thousands at a time."""
    return (slice(first, min(first + ROWS_A_PIECE, rows)) for first in range(0, rows, ROWS_A_PIECE))


def shares(size: int) -> list[tuple[int, int]]:
    """A range for each worker: from, and below what."""
    edges = [size * worker // WORKERS for worker in range(WORKERS + 1)]
    return list(pairwise(edges))
