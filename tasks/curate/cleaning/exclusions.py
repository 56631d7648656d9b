"""Rules of the use case that leave rows out, on purpose: excluded, never quarantined."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.data_policy import Exclusion
from data_contracts.redaction import FORGOTTEN, Barred
from data_contracts.use_case import ResolvedUseCase
from tasks.curate.cleaning.columns import Rows, is_in, texts
from tasks.curate.cleaning.fates import Fates
from tasks.curate.cleaning.slices import holds
from tasks.errors import ConfigurationError

COLUMNS = ("output", "group", "file", "created_at")


def exclude(path: Path, case: ResolvedUseCase, fates: Fates) -> None:
    """Apply curation.exclude; the first rule that meets a row is the one on record.

    Raises ConfigurationError where a rule names a column that rules cannot see.
    """
    for number, rule in enumerate(case.use_case.curation.exclude):
        met = _met(path, rule, case, f"curation.exclude[{number}]")
        fates.exclude(np.flatnonzero(met & fates.curated), rule.column, rule.reason)


def exclude_forgotten(path: Path, barred: Barred, fates: Fates) -> None:
    """Leave out the rows that a person asked to have deleted, by id and by their words under any other id."""
    if barred.rows or barred.words:
        named = pc.is_in(texts(path, "words"), value_set=pa.array(sorted(barred.words), pa.string())).to_numpy()
        known = np.fromiter((barred.has(id_) for id_ in texts(path, "id").to_pylist()), np.bool_)
        fates.exclude(np.flatnonzero((named | known) & fates.curated), "id", FORGOTTEN)


def _met(path: Path, rule: Exclusion, case: ResolvedUseCase, where: str) -> Rows:
    if rule.before or rule.after:
        return _outside(path, rule)
    if rule.column in case.contract.mapping.slices:
        return holds(path, rule.column, rule.values)
    if rule.column not in COLUMNS:
        known = ", ".join([*COLUMNS, *case.contract.mapping.slices])
        raise ConfigurationError(where, f"there is no column {rule.column} for rules", f"Name one of {known}.")
    named = [case.resolve(value) for value in rule.values] if rule.column == "file" else []
    return is_in(path, rule.column, [*rule.values, *named])


def _outside(path: Path, rule: Exclusion) -> Rows:
    """Rows created before the one moment, or at or after the other; undated rows are in."""
    moments = texts(path, "created_at")
    early = pc.less(moments, _utc(rule.before)) if rule.before else None
    late = pc.greater_equal(moments, _utc(rule.after)) if rule.after else None
    outside = early if late is None else late if early is None else pc.or_(early, late)
    met: Rows = pc.and_(outside, pc.not_equal(moments, "")).to_numpy()
    return met


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
