"""What a data owner wants to know about the curated rows: labels, slices, and what is thin or odd about them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from data_contracts.contract import Contract
from data_contracts.curation import CurationReport, LabelVariant
from data_contracts.use_case import ResolvedUseCase, TaskKind
from tasks.curate.cleaning.columns import Rows, tally
from tasks.curate.cleaning.labels import variants
from tasks.curate.cleaning.slices import as_text, coverage

UNEVEN = 20  # times as many rows of the commonest label as of the rarest
MAX_VALUES = 200  # of a slice; a column with more is an id or a text rather than a slice
NAMED = 10  # of what a sentence lists


def describe(path: Path, rows: Rows, case: ResolvedUseCase) -> CurationReport:
    """Class balance, spellings of labels and coverage of slices of the curated rows."""
    labelled = case.use_case.kind is TaskKind.CLASSIFICATION
    found = tally(path, "output", rows) if labelled else Counter[str]()
    labels = dict(found.most_common())
    spellings = variants(labels, case.contract.labels)
    covered = coverage(path, case.contract.mapping.slices, rows)
    listed = _listed(case.contract)
    slices = {name: _values(counts, listed.get(name, ())) for name, counts in covered.items()}
    fewest = case.use_case.curation.min_slice_rows
    thin = {f"{name}={value}": n for name, values in slices.items() for value, n in values.items() if n < fewest}
    return CurationReport(
        labels=labels,
        imbalance=max(labels.values()) / min(labels.values()) if labels else None,
        label_variants=spellings,
        slices=slices,
        thin_slices=list(thin),
        warnings=[
            *_label_warnings(labels, case.contract.labels, spellings),
            *_slice_warnings(covered, listed),
            *_thin_warning(thin, fewest),
        ],
    )


def _values(counts: Counter[str], listed: tuple[str, ...]) -> dict[str, int]:
    return {**dict.fromkeys(listed, 0), **dict(counts.most_common(MAX_VALUES))}


def _listed(contract: Contract) -> dict[str, tuple[str, ...]]:
    """Slice -> the values that an expectation of the contract lists for it."""
    sets = {
        rule.kwargs["column"]: tuple(map(as_text, rule.kwargs["value_set"]))
        for rule in contract.expectations
        if rule.type == "expect_column_values_to_be_in_set" and {"column", "value_set"} <= set(rule.kwargs)
    }
    return {name: sets[name] for name in contract.mapping.slices if name in sets}


def _label_warnings(
    labels: Mapping[str, int], declared: Mapping[str, str], spellings: list[LabelVariant]
) -> Iterator[str]:
    absent = [label for label in declared if label not in labels]
    if absent and labels:
        yield f"{len(absent)} of {len(declared)} labels of the contract have no row: {_some(absent)}"
    ordered = list(labels.items())
    (most, many), (least, few) = (ordered[0], ordered[-1]) if ordered else (("", 0), ("", 1))
    if many >= UNEVEN * few:
        yield f"label {most} has {many} rows, {least} has {few}: {many / few:.0f} times fewer; watch macro F1"
    for spelling in spellings:
        same = f"label {spelling.label} ({spelling.rows} rows) differs from {spelling.variant_of}"
        yield f"{same} in {spelling.differs_in} only: are they one?"


def _slice_warnings(covered: Mapping[str, Counter[str]], listed: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    for name, counts in covered.items():
        if len(counts) > MAX_VALUES:
            yield f"slice {name} has {len(counts)} values, the {MAX_VALUES} commonest are listed: is it a slice?"
        known = listed.get(name, counts)
        unheard = [f"{value} ({rows})" for value, rows in counts.most_common() if value not in known]
        if unheard:
            yield f"slice {name} holds {len(unheard)} values that the contract does not list: {_some(unheard)}"


def _thin_warning(thin: Mapping[str, int], fewest: int) -> Iterator[str]:
    if thin:
        named = [f"{name} ({rows})" for name, rows in thin.items()]
        yield f"{len(thin)} slice values have fewer than {fewest} rows, too few to judge apart: {_some(named)}"


def _some(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
