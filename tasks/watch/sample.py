"""A fair sample of a stream in bounded memory: those whose key has the smallest hash, so that a copy counts once."""

import hashlib
import heapq
import json
from collections.abc import Iterator
from typing import Generic, TypeVar

from data_contracts.production import ProductionRecord

MOST = 20_000
MOST_BYTES = 64 * 2**20
T = TypeVar("T")


def key_of(record: ProductionRecord) -> str:
    """What a request is known by: its own id, else a hash of when it was asked, what, and what came back."""
    if record.id is not None:
        return record.id
    content = [record.moment, record.input, record.messages, record.output]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


class Sample(Generic[T]):
    """At most so many items, and of so many bytes; which ones depends on their keys only, not on their order.

    Bottom-k sampling: Cohen and Kaplan, Summarizing data using bottom-k sketches, PODC 2007.
    """

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self.seen = 0
        self._most, self._most_bytes, self._bytes = most, most_bytes, 0
        self._items: dict[int, tuple[T, int]] = {}
        self._largest: list[int] = []  # hashes, negated: the largest first

    def add(self, key: str, item: T, size: int) -> None:
        """Offer an item of `size` bytes. One with the key of an earlier one takes its place."""
        number = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest())
        former = self._items.get(number)
        if former is None:
            self.seen += 1
            heapq.heappush(self._largest, -number)
        self._bytes += size - (former[1] if former else 0)
        self._items[number] = item, size
        while len(self._items) > self._most or (self._bytes > self._most_bytes and len(self._items) > 1):
            self._bytes -= self._items.pop(-heapq.heappop(self._largest))[1]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        """Items in the order of their hashes: the same, whatever came first."""
        return (self._items[number][0] for number in sorted(self._items))
