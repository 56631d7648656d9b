"""Which rows belong together: rows of one group, rows of the same words, and copies of each other."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.similarity.clusters import connected

MAX_UNIT = 0.01  # of the rows that are placed together
MIN_LARGE = 20  # rows; in a set so small that a hundredth is less, so many are no flood
HOLDS = 2.0  # strength from which a key is never let go
Positions = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def shared_groups(rows: pd.DataFrame) -> pd.Series:
    """The group of each row; None where it is only the row's own id, standing in for a group that was not given."""
    given = (rows["group"] != rows["id"]).to_numpy()
    names = rows["group"].to_numpy(object)
    shared = set(names[given])
    return rows["group"].where(np.fromiter((name in shared for name in names), np.bool_, len(names)))


@dataclass(frozen=True)
class Links:
    """Rows and the keys that hold them together, one entry a membership: a group, words, or a pair of copies.

    Keys 0..len(groups)-1 are the groups. Words of a single row hold nothing together and are left out.
    """

    rows: Positions
    keys: Positions
    groups: list[str]
    size: int  # rows in all
    strength: npt.NDArray[np.float64]  # of each key: 2 of a group and of words, the score of passages, of copies 1 more

    @classmethod
    def of(cls, rows: pd.DataFrame, near: pd.DataFrame) -> Self:
        """Links of KEY_COLUMNS rows numbered 0..n-1; `near` holds pairs of these numbers as left and right."""
        groups, names = pd.factorize(shared_groups(rows))
        grouped = np.flatnonzero(groups >= 0)
        copied = np.flatnonzero(rows["words"].duplicated(keep=False))
        words = pd.factorize(rows["words"].iloc[copied])[0]
        pairs = np.arange(len(near))
        members = (grouped, copied, near["left"].to_numpy(), near["right"].to_numpy())
        words_from, pairs_from = len(names), len(names) + len(copied)
        keys = (groups[grouped], words + words_from, pairs + pairs_from, pairs + pairs_from)
        copies = near["score"].to_numpy() + (near["kind"] != "shared passages").to_numpy()
        strength = np.concatenate([np.full(pairs_from, HOLDS), copies])
        return cls(_joined(members), _joined(keys), names.tolist(), len(rows), strength)

    @property
    def count(self) -> int:
        """Keys in all."""
        return len(self.strength)

    def among(self, chosen: Flags) -> Self:
        """The links between the chosen rows, which get new numbers in their order."""
        kept = chosen[self.rows]
        numbers = np.cumsum(chosen) - 1
        return replace(self, rows=numbers[self.rows[kept]], keys=self.keys[kept], size=int(chosen.sum()))

    def units(self) -> Positions:
        """Unit number of each row: rows that share a key, directly or by a chain, are one unit."""
        units: Positions = connected(self.size, [pd.Series(self.keys, index=self.rows)])
        return units

    def firm(self) -> Self:
        """Groups and words alone."""
        kept = self.strength[self.keys] >= HOLDS
        return replace(self, rows=self.rows[kept], keys=self.keys[kept])

    def balanced(self) -> Self:
        """Without the pairs of copies, weakest first, that would make a unit larger than MAX_UNIT of the rows.

        Where texts follow templates, chains of copies tie most groups into one unit, and no split could have the
        shares that it is asked for. What is let go the leakage gate keeps apart, by withholding the train side.
        """
        from scipy.cluster.hierarchy import DisjointSet

        most, units, pairs = max(MAX_UNIT * self.size, MIN_LARGE), self.units(), self.strength < HOLDS
        suspect = (np.bincount(units, minlength=1) > most)[units[self.rows]] & pairs[self.keys]
        firm = self.firm().units()
        sizes, grown = np.bincount(firm, minlength=1), DisjointSet(firm[self.rows[suspect]].tolist())
        total = {part: int(sizes[part]) for part in grown}
        let_go = []
        for key, (left, right) in self._pairs(suspect):
            roots = grown[firm[left]], grown[firm[right]]
            if roots[0] == roots[1]:
                continue
            together = total[roots[0]] + total[roots[1]]
            if together > most:
                let_go.append(key)
            else:
                grown.merge(*roots)
                total[grown[roots[0]]] = together
        kept = ~np.isin(self.keys, let_go)
        return replace(self, rows=self.rows[kept], keys=self.keys[kept])

    def _pairs(self, chosen: Flags) -> Iterator[tuple[int, tuple[int, int]]]:
        """The chosen keys of two rows, the strongest first."""
        keys, rows = self.keys[chosen], self.rows[chosen]
        order = np.lexsort((rows, keys, -self.strength[keys]))
        keys, rows = keys[order], rows[order]
        for first in np.flatnonzero(keys[1:] == keys[:-1]):
            yield int(keys[first]), (int(rows[first]), int(rows[first + 1]))


@dataclass(frozen=True)
class Units:
    """Rows in the units that stay together, and a place in [0, 1) for each unit."""

    rows: Positions
    of: Positions  # unit 0..k-1 of each of these rows
    position: npt.NDArray[np.float64]  # of each unit
    sizes: Positions  # rows of each unit

    @classmethod
    def among(cls, rows: pd.DataFrame, links: Links, chosen: Flags, seed: int) -> Self:
        """Units of the chosen rows of a frame, as if there were no others.

        A unit's place is the hash of one member, its anchor: the member with the smallest second hash, so that a row
        which joins a unit of n moves it with probability 1/(n+1) only. A member is a group, or the words of a row
        that has none: both stay the same when lines are inserted or files renamed.
        """
        within = links.among(chosen).balanced()
        of = pd.factorize(within.units())[0].astype(np.int64)
        members = ("words " + rows["words"][chosen]).to_numpy(object, copy=True)
        grouped = within.keys < len(links.groups)
        members[within.rows[grouped]] = [f"group {links.groups[key]}" for key in within.keys[grouped]]
        order, place = _hashes(members, seed)
        anchors = np.lexsort((order, of))
        first = np.unique(of[anchors], return_index=True)[1]
        return cls(np.flatnonzero(chosen), of, place[anchors][first] / 2**64, np.bincount(of))


def _hashes(members: npt.NDArray[np.object_], seed: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Two independent hashes of each member."""
    start = f"{seed}\n"
    digests = b"".join(hashlib.sha256((start + member).encode()).digest() for member in members)
    hashes = np.frombuffer(digests, dtype=">u8").reshape(len(members), 4).astype(np.uint64)
    return hashes[:, 0], hashes[:, 1]


def _joined(parts: tuple[npt.NDArray[np.integer], ...]) -> Positions:
    return np.concatenate(parts).astype(np.int64)
