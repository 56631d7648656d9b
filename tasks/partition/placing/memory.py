"""Where earlier trials put a row, and what follows from it for the rows that belong to it.

History is kept by the hash of a row's words, and by the hash of its group for rows that are gone: `train`,
`validation`, `test` (the first test set), `test 2` (the one after it) and so on.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.records import PARTITIONS, Partitions
from tasks.partition.placing.kinship import Flags, Links, shared_groups

Bits = npt.NDArray[np.uint64]  # a set of sides: bit i is the i-th of `Memory.sides`
Places = npt.NDArray[np.object_]  # of each row: its partition, why it is withheld, or "" where it is free
FREE = ""
LEAK, COPIED = "leak", "near copy of an uploaded text"  # why the leakage gate withholds a train or evaluation row
WITHHELD = "withheld"  # what history calls a row that the leakage gate took out of train, so that no rerun moves it


def test_set_name(number: int) -> str:
    """What history calls a row of the n-th test set."""
    return "test" if number == 1 else f"test {number}"


def test_set_number(name: str) -> int:
    """1 for `test`, 2 for `test 2`; 0 for what is no test set."""
    kind, _, number = name.partition(" ")
    return int(number or 1) if kind == "test" and (number or "1").isdigit() else 0


def newest_test_set(history: Mapping[str, str]) -> int:
    """Number of the newest test set that history knows; 0 where it knows none."""
    return max(map(test_set_number, set(history.values())), default=0)


def group_key(group: str) -> str:
    """Under what history knows a group: a hash, since a group may be a person."""
    return "group " + hashlib.blake2b(group.encode(), digest_size=16).hexdigest()


def row_keys(partitions: Partitions, test_set: int, gate: Sequence[str] = ()) -> dict[str, str]:
    """What history shall know of each row: hash of its words -> place. `gate` are its reasons to withhold one."""
    names = zip(PARTITIONS, ("train", "validation", test_set_name(test_set)), strict=True)
    placed = {words: name for part, name in names for words in getattr(partitions, part)["words"].tolist()}
    left_out = partitions.withheld["words"][partitions.withheld["reason"].isin(gate)]
    return dict.fromkeys(left_out.tolist(), WITHHELD) | placed


def group_keys(partitions: Partitions, test_set: int) -> dict[str, str]:
    """What history shall know of each group, so that a new row of it follows when its other rows are gone."""
    parts = [getattr(partitions, part) for part in PARTITIONS]
    names = np.repeat(np.array(["train", "validation", test_set_name(test_set)], object), [len(part) for part in parts])
    groups = shared_groups(pd.concat([part[["id", "group"]] for part in parts], ignore_index=True))
    placed = pd.DataFrame({"group": groups, "name": names}).dropna().drop_duplicates("group", keep="last")
    return {group_key(group): name for group, name in zip(placed["group"], placed["name"], strict=True)}


@dataclass(frozen=True)
class Memory:
    """History as seen from the current test set."""

    history: Mapping[str, str]
    test_set: int  # number of the current one
    sides: tuple[str, ...]  # weakest first: of two linked rows on two sides, the one on the weaker side is withheld

    @classmethod
    def of(cls, history: Mapping[str, str], test_set: int) -> Self:
        """The current test set is `test_set`, or a newer one where history knows of it."""
        current = max(test_set, newest_test_set(history))
        tests = (test_set_name(number) for number in range(1, current + 1))
        return cls(history, current, ("train", "validation", *tests))

    @property
    def draws(self) -> bool:
        """Whether a new test set is to be drawn, in the place of an earlier one."""
        return 0 < newest_test_set(self.history) < self.test_set

    def earlier(self, rows: pd.DataFrame) -> Places:
        """Where each row stays because of its own history; FREE where it has none."""
        return self._places(self._bits(rows["words"].tolist()))

    def withheld(self, rows: pd.DataFrame) -> Flags:
        """Rows that the leakage gate of an earlier trial took out: drawn anew they would change train or test."""
        return np.fromiter((self.history.get(words) == WITHHELD for words in rows["words"]), np.bool_, len(rows))

    def follow(self, rows: pd.DataFrame, links: Links) -> Places:
        """Where each row stays, or follows the rows it belongs to; FREE where neither it nor they have a history.

        A new row that would bridge two sides is withheld. So is an old one that is now linked directly to a row on
        a stronger side, as after a correction of its group: only train shrinks.
        """
        own = self._bits(rows["words"].tolist())
        groups = np.zeros(links.count, np.uint64)
        groups[: len(links.groups)] = self._bits(map(group_key, links.groups))
        if not (own.any() or groups.any()):
            return np.full(len(rows), FREE, object)
        firm = links.firm()  # copies on two sides are what an earlier split let go of, and the gate's business
        seen = _seen_by_rows(firm, _seen_by_keys(firm, own) | groups)
        outranked = (own > 0) & (seen >= own * np.uint64(2))
        sides, bridged = _spread(links, own, groups)
        places = self._places(sides)
        for told in np.unique(bridged[bridged > 0]):
            places[bridged == told] = "bridges " + " and ".join(self._named(told))
        for told in np.unique(seen[outranked]):
            places[outranked & (seen == told)] = f"linked to {self._named(told)[-1]}"
        return places

    def _bits(self, keys: Iterable[str]) -> Bits:
        bit = {name: 1 << number for number, name in enumerate(self.sides)}
        return np.fromiter((bit.get(self.history.get(key, FREE), 0) for key in keys), np.uint64)

    def _places(self, sides: Bits) -> Places:
        places = np.full(len(sides), FREE, object)
        for number, name in enumerate(self.sides):
            places[sides == np.uint64(1 << number)] = self._place(name)
        return places

    def _place(self, side: str) -> str:
        number = test_set_number(side)
        if not number:
            return side
        return "test" if number == self.test_set else f"retired with test set {number}"

    def _named(self, sides: np.uint64) -> list[str]:
        return [name for number, name in enumerate(self.sides) if int(sides) >> number & 1]


def _spread(links: Links, own: Bits, groups: Bits) -> tuple[Bits, Bits]:
    """Sides carried from old rows to new ones, link by link: each row's side, and what a withheld row would bridge.

    Rows that are reached in the same round and hold two sides together bridge them as well. A bridge carries nothing.
    """
    sides, bridged = own.copy(), np.zeros_like(own)
    free: Flags = own == 0
    while True:
        seen = np.where(free, _seen_by_rows(links, _seen_by_keys(links, sides) | groups), np.uint64(0))
        if not seen.any():
            return sides, bridged
        single = np.where(_is_single(seen), seen, np.uint64(0))
        meeting = _seen_by_keys(links, single)
        met = _seen_by_rows(links, np.where(_is_single(meeting), np.uint64(0), meeting))
        clashing = (seen > 0) & ((single == 0) | (met > 0))
        bridged[clashing] = (seen | met)[clashing]
        sides = np.where(free & ~clashing, single, sides)
        free = free & (seen == 0)


def _seen_by_keys(links: Links, sides: Bits) -> Bits:
    """Sides of the rows of each key."""
    seen = np.zeros(links.count, np.uint64)
    np.bitwise_or.at(seen, links.keys, sides[links.rows])
    return seen


def _seen_by_rows(links: Links, sides: Bits) -> Bits:
    """Sides of the keys of each row."""
    seen = np.zeros(links.size, np.uint64)
    np.bitwise_or.at(seen, links.rows, sides[links.keys])
    return seen


def _is_single(sides: Bits) -> Flags:
    single: Flags = (sides & (sides - np.uint64(1))) == 0
    return single
