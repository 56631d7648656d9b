"""Train and test data with planted truth, made once per plan and kept in a folder."""

import hashlib
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tests.planted import rows as background
from tests.planted.english import english
from tests.planted.hard_negatives import HARD_NEGATIVES
from tests.planted.kinds import GROUP_KINDS, HELD_OUT, TEXT_KINDS, Kind, Pair, filled
from tests.planted.language import Language
from tests.planted.message import Voice, lengths
from tests.planted.syllables import syllables

LANGUAGES = {"english": english, "syllables": syllables}
TUNING_SEED, REPORT_SEED = 101, 202
TEST_SHARE = 0.2
WIDESPREAD = 0.01  # share of the rows that are one of the widespread templates
PLANTED = {10_000: 40, 100_000: 300, 1_000_000: 1500}  # rows -> pairs of each kind
BLOCK = 50_000
ROWS_PER_CUSTOMER = 5
SIDES = ("train", "test")


@dataclass(frozen=True)
class Plan:
    """What is generated. `held_out` adds the kind that no threshold was tuned on."""

    rows: int
    seed: int = TUNING_SEED
    language: str = "english"
    held_out: bool = False

    @property
    def kinds(self) -> dict[str, Kind]:
        """Every kind of pair, leaks first."""
        return {**TEXT_KINDS, **GROUP_KINDS, **(HELD_OUT if self.held_out else {}), **HARD_NEGATIVES}

    @property
    def pairs_per_kind(self) -> int:
        """40 in 10,000 rows, 300 in 100,000, 1,500 in a million, and between and beyond them in proportion."""
        if self.rows < min(PLANTED):
            return max(1, self.rows * PLANTED[10_000] // 10_000)
        between = np.interp(np.log(self.rows), np.log(list(PLANTED)), np.log(list(PLANTED.values())))
        return round(float(np.exp(between)))

    @property
    def sizes(self) -> dict[str, int]:
        """Rows of each side."""
        test = int(self.rows * TEST_SHARE)
        return {"train": self.rows - test, "test": test}


@dataclass(frozen=True)
class Planted:
    """Where the data of a plan lie: both sides (id, customer, text, completion, label) and the truth about them."""

    plan: Plan
    folder: Path

    def path(self, side: str) -> Path:
        """The Parquet file of `train` or `test`."""
        return self.folder / f"{side}.parquet"

    def texts(self, side: str) -> pa.ChunkedArray:
        """The user texts of one side."""
        return pq.read_table(self.path(side), columns=["text"])["text"]

    @property
    def truth(self) -> pd.DataFrame:
        """kind, trained, judged: the positions in train and test of each planted pair, hard negatives included."""
        return pd.read_parquet(self.folder / "truth.parquet")


def plant(plan: Plan, folder: Path | None = None) -> Planted:
    """The data of a plan, below `folder` (or the system's temporary one), made where they are not there yet."""
    home = folder or Path(tempfile.gettempdir()) / "tunegate-planted"
    there = home / _name(plan)
    if not there.exists():
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home) as making:
            _write(plan, Path(making) / "made")
            (Path(making) / "made").rename(there)
    return Planted(plan, there)


def _name(plan: Plan) -> str:
    """Other sources or another Python, whose docstrings differ, make other data."""
    sources = sorted(path for path in Path(__file__).parent.glob("*") if path.suffix in {".py", ".txt"})
    made_by = hashlib.sha256(b"".join(path.read_bytes() for path in sources) + sys.version.encode())
    extra = "-held-out" if plan.held_out else ""
    return f"{plan.language}-{plan.rows}-{plan.seed}{extra}-{made_by.hexdigest()[:12]}"


def _write(plan: Plan, folder: Path) -> None:
    folder.mkdir()
    language, chance = LANGUAGES[plan.language](), np.random.default_rng([plan.seed, 2])
    voice = Voice(language, plan.seed)
    kinds = [kind for kind in plan.kinds for _ in range(plan.pairs_per_kind)]
    pairs = [plan.kinds[kind](voice) for kind in kinds]
    places = {side: chance.permutation(size) for side, size in plan.sizes.items()}
    truth = pd.DataFrame(
        {"kind": kinds}
        | {name: places[side][: len(kinds)] for name, side in (("trained", "train"), ("judged", "test"))}
    )
    truth.to_parquet(folder / "truth.parquet")
    columns = _planted_columns(truth, pairs, chance)
    columns["train"] = pd.concat([columns["train"], _templates(plan, voice, places["train"][len(kinds) :])])
    for side in SIDES:
        _write_side(plan, language, side, columns[side].sort_index(), folder / f"{side}.parquet")


def _planted_columns(truth: pd.DataFrame, pairs: list[Pair], chance: np.random.Generator) -> dict[str, pd.DataFrame]:
    """Text, customer and label of the planted rows of each side, by their position."""
    label = [f"queue-{number}" for number in chance.integers(0, background.LABELS, len(truth))]
    customer = [f"planted-customer-{number}" for number in range(len(truth))]
    trained, judged = zip(*pairs, strict=True)
    other = pd.Series(label).where(truth["kind"] != "other label", "queue-other")
    stranger = pd.Series(customer).where(truth["kind"] == "same customer", pd.Series(customer) + "-b")
    sides = {
        "train": pd.DataFrame({"text": trained, "customer": customer, "label": label}),
        "test": pd.DataFrame({"text": judged, "customer": stranger, "label": other}),
    }
    return {
        side: frame.set_index(truth[position].to_numpy())
        for (side, frame), position in zip(sides.items(), ("trained", "judged"), strict=True)
    }


def _templates(plan: Plan, voice: Voice, places: np.ndarray) -> pd.DataFrame:
    """The widespread templates' other rows, all in train, so that the planted ones in test have them for company."""
    rows = max(0, int(plan.rows * WIDESPREAD) - 2 * plan.pairs_per_kind)
    templates = voice.language.shared.templates
    made = [filled(templates[number % len(templates)], voice) for number in range(rows)]
    writer = [f"template-customer-{number}" for number in range(rows)]
    return pd.DataFrame({"text": made, "customer": writer, "label": "queue-0"}, index=places[:rows])


def _write_side(plan: Plan, language: Language, side: str, planted: pd.DataFrame, path: Path) -> None:
    writer = None
    for block in _blocks(plan, language, side, planted):
        writer = writer or pq.ParquetWriter(path, block.schema)
        writer.write_table(block)
    if writer:
        writer.close()


def _blocks(plan: Plan, language: Language, side: str, planted: pd.DataFrame) -> Iterator[pa.Table]:
    size = plan.sizes[side]
    for first in range(0, size, BLOCK):
        rows = min(BLOCK, size - first)
        chance = np.random.default_rng([plan.seed, SIDES.index(side), first])
        here = planted[(planted.index >= first) & (planted.index < first + rows)]
        mask = np.zeros(rows, bool)
        mask[here.index.to_numpy() - first] = True
        table = {
            "id": background.ids(side, first, rows),
            "customer": background.customers(side, rows, max(1, size // ROWS_PER_CUSTOMER), chance),
            "text": background.unrelated(language, rows, chance),
            "completion": background.spoken(language, lengths(rows, chance), chance),
            "label": background.labels(rows, chance),
        }
        for name in here.columns:
            table[name] = pc.replace_with_mask(table[name], mask, pa.array(here[name], pa.string()))
        yield pa.table(table)
