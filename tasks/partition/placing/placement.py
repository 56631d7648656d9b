"""The rules by which a row that no earlier trial placed trains, validates or judges."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.data_policy import Split
from data_contracts.records import PARTITIONS
from tasks.errors import DataError
from tasks.partition.placing.kinship import Links, Positions, Units
from tasks.partition.placing.memory import FREE, Memory, Places
from tasks.partition.placing.stratify import stratified

NEVER = np.iinfo(np.int64).min
Rule = Callable[[pd.DataFrame, Links, Split, Memory], Places]


def by_hash(rows: pd.DataFrame, links: Links, policy: Split, memory: Memory) -> Places:
    """By the hash of the unit: rows that arrive or go move no unrelated row, even without a history.

    A new test set is filled up to its share of all rows in play, since only new rows can be in it.
    """
    places = memory.follow(rows, links)
    units = Units.among(rows, links, places == FREE, policy.seed)
    test_from = _drawn_from(units, places, policy.test) if memory.draws else 1 - policy.test
    chosen = _cut(units.position, test_from, test_from * (1 - policy.validation / (1 - policy.test)))
    places[units.rows] = chosen[units.of]
    return places


def by_label(rows: pd.DataFrame, links: Links, policy: Split, memory: Memory) -> Places:
    """By the hash of the unit, with the asked shares of each label as far as units allow."""
    places = memory.follow(rows, links)
    units = Units.among(rows, links, places == FREE, policy.seed)
    places[units.rows] = stratified(rows["output"], places, units, policy)[units.of]
    return places


def by_time(rows: pd.DataFrame, links: Links, policy: Split, memory: Memory) -> Places:
    """The newest units judge, those before them validate, the rest trains.

    A unit that crosses a cut goes with its newest row, and its rows from before the cut are withheld. The test window
    begins after the newest row that an earlier trial used for training or validation; a test row that it has left
    behind is withheld, and so is a new row of a train unit inside it.
    """
    created = _created(rows)
    own, places = memory.earlier(rows), memory.follow(rows, links)
    units = Units.among(rows, links, places == FREE, policy.seed)
    test_from = max(_start(created, policy.test * len(rows)), _after(created[np.isin(own, ("train", "validation"))]))
    older = created < test_from
    if older.all():
        problem = "method: time tests on rows newer than all that earlier trials used, and there is none"
        raise DataError("split", problem, "Add newer rows, or keep the method that earlier trials were split by.")
    trained = _after(created[older & (own == "train")])
    validation_from = max(_start(created[older], policy.validation * len(rows)), trained)
    newest = np.full(len(units.sizes), NEVER)
    np.maximum.at(newest, units.of, created[units.rows])
    places[units.rows] = _cut(newest, test_from, validation_from)[units.of]
    return _within_window(places, own, created, {"test": test_from, "validation": validation_from})


def as_given(rows: pd.DataFrame, links: Links, policy: Split, memory: Memory) -> Places:
    """As the files say; without a validation file, a share of the train units becomes validation.

    A unit that reaches into test stays in train as a whole, where the leakage check sees it; its validation rows are
    withheld, since prompts are chosen on validation. So is a row that stood in another partition in an earlier trial:
    it was trained on, or tuned against, there.
    """
    places = rows["given_partition"].to_numpy(object, copy=True)
    places[places == FREE] = "no partition given"
    unit = links.units()
    reaches_test = np.isin(unit, unit[places == "test"])
    if not (places == "validation").any():
        carved = (places == "train") & ~reaches_test
        known = {key: name for key, name in memory.history.items() if name in ("train", "validation")}
        share = policy.model_copy(update={"test": 0.0})
        places[carved] = by_hash(rows[carved], links.among(carved), share, Memory.of(known, 1))
    places[(places == "validation") & reaches_test] = "validation copy of test"
    return _unmoved(places, memory.earlier(rows))


RULES: dict[str, Rule] = {"hash": by_hash, "stratified": by_label, "time": by_time, "given": as_given}


def _cut(position: npt.NDArray[np.number], test_from: float, validation_from: float) -> npt.NDArray[np.object_]:
    names = np.full(len(position), "train", object)
    names[position >= validation_from] = "validation"
    names[position >= test_from] = "test"
    return names


def _drawn_from(units: Units, places: Places, share: float) -> float:
    """Place in [0, 1) from which units make up the share of all rows in play."""
    wanted = share * (len(units.rows) + np.isin(places, PARTITIONS).sum())
    order = np.argsort(-units.position)
    taken = np.cumsum(units.sizes[order]) - units.sizes[order] < wanted
    return float(units.position[order][taken].min(initial=1))


def _created(rows: pd.DataFrame) -> Positions:
    """Nanoseconds since the epoch. Raises DataError where a row has no date."""
    undated = int((rows["created_at"] == "").sum())
    if undated:
        problem = f"method: time needs a date on each row, and {undated} of {len(rows)} have none"
        remedy = "Map `created_at` in the contract, leave these rows out with `curation.exclude`, or split by hash."
        raise DataError("split", problem, remedy)
    moments = pd.to_datetime(rows["created_at"], format="ISO8601", utc=True).dt.as_unit("ns")
    created: Positions = moments.astype("int64").to_numpy()
    return created


def _start(created: Positions, rows: float) -> int:
    """Moment from which there are so many rows, or a few more where rows share the moment."""
    newest = min(round(rows), len(created))
    return int(np.sort(created)[-newest]) if newest else _after(created)


def _after(created: Positions) -> int:
    return int(created.max(initial=NEVER)) + 1


def _within_window(places: Places, earlier: Places, created: Positions, start: dict[str, int]) -> Places:
    """Without rows on the wrong side of a cut, but those that train or validate since an earlier trial."""
    new, left_behind = earlier == FREE, (places == "test") & (created < start["test"])
    ahead = (places == "validation") & new & (created < start["validation"])
    kin = np.isin(places, ("train", "validation")) & new & (created >= start["test"])
    places[left_behind | ahead] = "older than the cut that its unit crosses"
    places[left_behind & ~new] = "retired from the test window"
    places[kin] = "kin of older rows, inside the test window"
    return places


def _unmoved(places: Places, earlier: Places) -> Places:
    """Without rows that an earlier trial had elsewhere."""
    moved = (earlier != FREE) & (earlier != places) & np.isin(places, PARTITIONS)
    for before in np.unique(earlier[moved].astype(str)):
        placed = before in PARTITIONS
        places[moved & (earlier == before)] = f"was {before} in an earlier trial" if placed else before
    return places
