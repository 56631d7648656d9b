"""Examples against each other: clashing ids, conflicting answers and copies leave, each with a reason on record."""

import json
from collections import Counter
from collections.abc import Sequence

import pandas as pd

from data_contracts.data_policy import Curation
from data_contracts.records import Curated, RawExamples, Rejection
from tasks.curate.defects import Code
from tasks.errors import DataError

SAME_QUESTION = ["words", "given_partition"]  # copies across given partitions are for the leakage check
SAME_EXAMPLE = [*SAME_QUESTION, "output"]


def clean(raw: RawExamples, policy: Curation) -> Curated:
    """Quarantine id clashes and conflicting answers, then drop copies.

    Of copies (same words, answer and given partition) the earliest `created_at` stays, undated ones last; then the
    first by file and line.
    """
    rows, clashes = _without_id_clashes(raw.rows)
    rows, conflicts = _without_conflicts(rows, policy)
    rows, duplicates = _without_copies(rows)
    quarantined = [*raw.rejected, *clashes, *conflicts]
    curated = Curated(rows, duplicates, quarantined, (), raw.records_in, raw.sources)
    accounted = len(rows) + len(duplicates) + len(quarantined)
    if accounted != raw.records_in:
        raise AssertionError(f"{raw.records_in} records came in, {accounted} are accounted for")
    return curated


def check(curated: Curated, policy: Curation, quarantine_path: str) -> Curated:
    """The same rows if enough are left; raises DataError with the counts by code otherwise."""
    share = len(curated.quarantined) / max(curated.records_in, 1)
    if share > policy.max_quarantined:
        codes = Counter(rejection.code for rejection in curated.quarantined).most_common()
        problem = (
            f"{len(curated.quarantined)} of {curated.records_in} records ({share:.1%}) are in quarantine, "
            f"curation.max_quarantined allows {policy.max_quarantined:.1%}: "
            + ", ".join(f"{code} {count}" for code, count in codes)
        )
        raise DataError("Curation", problem, f"{quarantine_path} says for each its file, its line and what to do.")
    if curated.rows.empty:
        raise DataError("Curation", "no usable record is left", "Check source.files: they are empty or header only.")
    return curated


def _without_id_clashes(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[Rejection]]:
    contents = rows[["id", "messages", "output"]].drop_duplicates()
    clashing = rows["id"].isin(contents.loc[contents["id"].duplicated(), "id"])
    remedy = "Other records with this id say something else: give each its own, or leave mapping.id out."
    return rows[~clashing], _rejections(rows[clashing], Code.ID_CLASH, "id", [remedy] * int(clashing.sum()))


def _without_conflicts(rows: pd.DataFrame, policy: Curation) -> tuple[pd.DataFrame, list[Rejection]]:
    """Rows whose words have one answer, or the winning one; the losers leave."""
    disputed = rows[rows.groupby(SAME_QUESTION)["output"].transform("nunique") > 1]
    if disputed.empty:
        return rows, []
    question = disputed.groupby(SAME_QUESTION).ngroup()
    loses = ~_wins(disputed, question, policy)
    remedies = [
        f"Record {rival} has the same words and another answer: decide which is right."
        for rival in _rivals(disputed, question)[loses]
    ]
    losers = disputed[loses]
    return rows.drop(index=losers.index), _rejections(losers, Code.LABEL_CONFLICT, "output", remedies)


def _wins(disputed: pd.DataFrame, question: pd.Series, policy: Curation) -> pd.Series:
    """Whether a row's answer is the one that stays: the most frequent, or the newest; nobody wins a tie."""
    if policy.on_conflict == "quarantine":
        return pd.Series(False, index=disputed.index)
    given = disputed["created_at"].groupby([question, disputed["output"]])
    weight = given.transform("size" if policy.on_conflict == "majority" else "max")
    best = weight == weight.groupby(question).transform("max")
    return best & (disputed["output"].where(best).groupby(question).transform("nunique") == 1)


def _rivals(disputed: pd.DataFrame, question: pd.Series) -> pd.Series:
    """For each row the id of one with the same words and another answer."""
    ids = disputed["id"]
    differs = disputed["output"] != disputed["output"].groupby(question).transform("first")
    first, other = ids.groupby(question), ids.where(differs).groupby(question)
    return first.transform("first").where(differs, other.transform("first"))


def _without_copies(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    undated = rows["created_at"] == ""
    ordered = rows.assign(undated=undated).sort_values(["undated", "created_at", "file", "line"])[rows.columns]
    kept_id = ordered.groupby(SAME_EXAMPLE)["id"].transform("first")
    duplicates = ordered.assign(kept_id=kept_id)[ordered.duplicated(SAME_EXAMPLE)].sort_index()
    return rows.drop(index=duplicates.index).reset_index(drop=True), duplicates.reset_index(drop=True)


def _rejections(rows: pd.DataFrame, code: Code, field: str, remedies: Sequence[str]) -> list[Rejection]:
    return [
        Rejection(
            file=row.file,
            line=row.line,
            offset=row.offset,
            id=row.id,
            field=field,
            code=code.value,
            remedy=remedy,
            raw=json.dumps({"messages": json.loads(row.messages), "output": row.output}, ensure_ascii=False),
        )
        for row, remedy in zip(rows.itertuples(), remedies, strict=True)
    ]
