"""Examples against each other: what is excluded, clashes, conflicts or is a copy leaves, with a reason on record."""

import json
from collections.abc import Iterator

import numpy as np
import pandas as pd

from data_contracts.curation import CurationReport
from data_contracts.data_policy import Curation
from data_contracts.records import Counts, Curated, RawExamples, Rejection
from data_contracts.redaction import Barred
from data_contracts.use_case import ResolvedUseCase, TaskKind
from tasks.curate.cleaning import conflicts, duplicates
from tasks.curate.cleaning.columns import batches, texts
from tasks.curate.cleaning.exclusions import exclude, exclude_forgotten
from tasks.curate.cleaning.fates import Fate, Fates
from tasks.curate.cleaning.keys import keys
from tasks.curate.cleaning.near import Alike
from tasks.curate.cleaning.report import describe
from tasks.curate.defects import Code
from tasks.errors import DataError

CLASH = "Other records with this id say something else: give each its own, or leave mapping.id out."
RIVAL = "Record {} has the same words and another answer: decide which is right."
NEAR_RIVAL = "Record {} has nearly the same words and another answer: decide which is right."
NEAR_CONFLICTS = (
    "{} curated rows have nearly the same words as a row with another label; "
    "curation.near_duplicates: drop settles them by curation.on_conflict"
)
TEXT_COLUMNS = ("messages", "output", "rejected", "tools")
PRIVATE = {
    "secret": "a secret",
    "email": "an e-mail address",
    "phone": "a phone number",
    "card": "a card number",
    "iban": "an IBAN",
    "national_id": "a national identity number",
    "ip_address": "an IP address",
}


def clean(raw: RawExamples, case: ResolvedUseCase, barred: Barred | None = None) -> Curated:
    """What becomes of every raw row: forgotten, excluded by rule, in quarantine, a copy of a better row, or curated.

    Better is the row with more slices filled in; then one with a date, the earlier one; then the first by file and
    line. Rows of different given partitions are never copies of each other: that is for the leakage check.
    """
    cleaning = _Cleaning(raw, case)
    cleaning.exclude(barred or Barred())
    cleaning.quarantine_id_clashes()
    cleaning.settle_conflicts()
    cleaning.drop_copies()
    return cleaning.curated(cleaning.settle_near())


def rejections(raw: RawExamples, fates: pd.DataFrame, fate: Fate) -> Iterator[Rejection]:
    """The rows with this fate and why, in the order of the file; their text is read back for this only."""
    chosen = (fates["fate"] == fate).to_numpy(dtype=np.bool_)
    why = fates.loc[chosen, ["code", "field", "remedy"]].itertuples(index=False, name=None)
    columns = ["file", "line", "offset", "length", "id", *TEXT_COLUMNS]
    rows = (row for batch in batches(raw.path, columns, chosen) for row in batch.to_pylist())
    for (code, field, remedy), row in zip(why, rows, strict=True):
        text = {"messages": json.loads(row.pop("messages"))}
        text |= {name: value for name in TEXT_COLUMNS[1:] if (value := row.pop(name))}
        yield Rejection(**row, code=code, field=field, remedy=remedy, raw=json.dumps(text, ensure_ascii=False))


def require_enough(counts: Counts, report: CurationReport, policy: Curation, quarantine_path: str) -> None:
    """Raise DataError where private data blocks the run, too much is in quarantine, or nothing is left."""
    blocked = {kind: actions["block"] for kind, actions in report.private.items() if actions.get("block")}
    if blocked:
        problem = ", ".join(f"{_hold(rows)} {PRIVATE.get(kind, kind)}" for kind, rows in blocked.items())
        fields = " and ".join(f"curation.privacy.rules.{kind}" for kind in blocked)
        raise DataError("Curation", problem, f"Set {fields} to mask, quarantine or allow; see {quarantine_path}.")
    share = counts.quarantined / max(counts.records_in, 1)
    if share > policy.max_quarantined:
        problem = (
            f"{counts.quarantined} of {counts.records_in} records ({share:.1%}) are in quarantine, "
            f"curation.max_quarantined allows {policy.max_quarantined:.1%}: "
            + ", ".join(f"{code} {rows}" for code, rows in counts.quarantine_codes.items())
        )
        raise DataError("Curation", problem, f"{quarantine_path} says for each its file, its line and what to do.")
    if not counts.curated:
        remedy = "Check source.files, which may be empty or header only, and curation.exclude."
        raise DataError("Curation", f"no usable record is left ({counts.sentence})", remedy)


def _hold(rows: int) -> str:
    return "1 row holds" if rows == 1 else f"{rows} rows hold"


class _Cleaning:
    """The rows of one trial on their way; each step sees those that are still in, by their position in the file."""

    def __init__(self, raw: RawExamples, case: ResolvedUseCase) -> None:
        self._raw, self._case, self._policy = raw, case, case.use_case.curation
        self._keys = keys(raw.path)
        if len(self._keys) != raw.rows:
            raise AssertionError(f"{raw.rows} rows were read, {len(self._keys)} are in the file")
        self._ids = texts(raw.path, "id").to_pandas()
        self._fates = Fates(raw.rows)
        self._conflicts: dict[str, int] = {}
        self._near_dropped = 0

    def exclude(self, barred: Barred) -> None:
        exclude_forgotten(self._raw.path, barred, self._fates)
        exclude(self._raw.path, self._case, self._fates)

    def quarantine_id_clashes(self) -> None:
        rows = self._rows()
        contents = rows.groupby("id")["content"]
        clashing = rows.index[contents.transform("min") != contents.transform("max")].to_numpy()
        self._fates.quarantine(clashing, Code.ID_CLASH, "id", [CLASH] * len(clashing))

    def settle_conflicts(self) -> None:
        disputed, losers = conflicts.same_words(self._rows(), self._policy.on_conflict)
        self._turn_away(losers, RIVAL)
        self._conflicts["same words"] = len(disputed)

    def drop_copies(self) -> None:
        self._fates.drop(*duplicates.same_words(self._rows()))

    def settle_near(self) -> pd.DataFrame:
        """Alike pairs of the rows that stay. Two answers to nearly one text may both be right, but for labels."""
        alike = Alike(self._raw.path, self._fates.curated, self._keys, self._case.use_case.leakage)
        found = alike.pairs(self._fates.positions)
        found["rival"] &= self._case.use_case.kind is TaskKind.CLASSIFICATION
        close = found[found["copy"] | found["rival"]]
        rows = self._rows().assign(weight=self._fates.weights[self._fates.positions])
        disputed, losers = conflicts.near_words(close, rows, self._policy.on_conflict)
        self._conflicts["near"] = len(disputed)
        if self._policy.near_duplicates == "drop":
            self._turn_away(losers, NEAR_RIVAL)
            self._drop_near(alike, self._staying(found))
        return self._staying(found)

    def curated(self, pairs: pd.DataFrame) -> Curated:
        """The record of it all. Raises AssertionError where a row is lost or invented."""
        counts, staying = self._fates.counts(), self._fates.positions
        if counts.total() != self._raw.rows:
            raise AssertionError(f"{self._raw.rows} rows came in, {counts.total()} are accounted for")
        near = pairs[["left", "right", "kind", "score"]].reset_index(drop=True)
        near[["left", "right"]] = np.searchsorted(staying, near[["left", "right"]])
        return Curated(self._fates.frame(self._ids), near, self._report(pairs, counts["duplicate"]))

    def _rows(self) -> pd.DataFrame:
        return self._keys[self._fates.curated]

    def _staying(self, pairs: pd.DataFrame) -> pd.DataFrame:
        staying = self._fates.curated
        return pairs[staying[pairs["left"]] & staying[pairs["right"]]]

    def _turn_away(self, losers: pd.DataFrame, remedy: str) -> None:
        remedies = [remedy.format(rival) for rival in self._ids.iloc[losers["rival"]]]
        self._fates.quarantine(losers.index.to_numpy(), Code.LABEL_CONFLICT, "output", remedies)

    def _drop_near(self, alike: Alike, pairs: pd.DataFrame) -> None:
        dropped = duplicates.near_words(alike, np.unique(pairs[["left", "right"]]), self._keys["rank"])
        self._fates.drop(np.array([*dropped], np.int64), np.array([*dropped.values()], np.int64))
        self._fates.follow()
        self._near_dropped = len(dropped)

    def _report(self, pairs: pd.DataFrame, dropped: int) -> CurationReport:
        found = describe(self._raw.path, self._fates.curated, self._case)
        copies = pairs[pairs["copy"]]
        rivals = len(np.unique(pairs.loc[pairs["rival"], ["left", "right"]]))
        update = {
            "duplicates": {"same words": dropped - self._near_dropped, "near": self._near_dropped},
            "near_rows": len(np.unique(copies[["left", "right"]])),
            "conflicts": self._conflicts,
            "private": self._raw.private,
            "warnings": [*found.warnings, *([NEAR_CONFLICTS.format(rivals)] if rivals else [])],
        }
        return found.model_copy(update=update)
