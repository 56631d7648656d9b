"""data.html: one self-contained page for the person who owns the data. It is written however far a run has come."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, get_args

import jinja2
import pyarrow as pa
import pyarrow.dataset as ds
from pydantic import BaseModel

from data_contracts.curation import CurationReport
from data_contracts.records import (
    PARTITIONS,
    Counts,
    ExpectationResult,
    LeakageReport,
    LeakKind,
    Rejection,
    SealedTestSet,
)
from data_contracts.use_case import ResolvedUseCase, UseCase
from tasks.errors import DataError, LeakageError
from tasks.run_folder import RunFolder
from tasks.workspace import Workspace

NAME = "data.html"
TEMPLATE = Path(__file__).with_name("data_page.html.j2")
EXAMPLES = 10  # rows of each code, pairs of each kind
MAX_SUSPECTS = 50
MAX_EXCERPT = 320
KINDS: tuple[str, ...] = get_args(LeakKind)
FATES = ("curated", "duplicates", "quarantined", "excluded")
Model = TypeVar("Model", bound=BaseModel)
Rest = ParamSpec("Rest")
Result = TypeVar("Result")


def shown_where_it_stops(
    step: Callable[Concatenate[Workspace, Rest], Result],
) -> Callable[Concatenate[Workspace, Rest], Result]:
    """Decorate a step: where the data stop the run, the page says so."""

    @wraps(step)
    def taken(space: Workspace, /, *arguments: Rest.args, **options: Rest.kwargs) -> Result:
        try:
            return step(space, *arguments, **options)
        except (DataError, LeakageError) as error:
            write(space, str(error))
            raise

    return taken


def write(space: Workspace, stopped: str = "") -> None:
    """Put the page into the run folder; `stopped` is what stopped the run."""
    space.folder.write_bytes(NAME, render(space.folder, stopped).encode())


@dataclass(frozen=True)
class Part:
    """A piece of a bar, in percent of its width."""

    name: str
    rows: int
    percent: float


@dataclass(frozen=True)
class TurnedAway:
    """Records with one code, or left out for one reason: how many, and the first of them."""

    code: str
    rows: int
    first: Sequence[Rejection]


@dataclass(frozen=True)
class Leaks:
    """Pairs of one kind; texts stand beside them where the text policy lets them."""

    kind: str
    rows: int
    pairs: Sequence[Mapping[str, Any]]


def render(folder: RunFolder, stopped: str = "") -> str:
    """The whole page from what the run folder holds by now, and what stopped the run. Every text is escaped.

    Row text appears only beside leaks and doubtful labels, shortened, and only where the text policy admits it.
    """
    case = folder.read_json("use_case.json", ResolvedUseCase)
    counts, report = _read(folder, "counts.json", Counts), _read(folder, "curation.json", CurationReport)
    expectations, leakage = _expectations(folder), _read(folder, "leakage.json", LeakageReport)
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"n": "{:,}".format, "percent": lambda share: f"{100 * share:.1f}\N{NO-BREAK SPACE}%"}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        run=folder.run,
        use_case=case.use_case,
        contract=case.contract,
        counts=counts,
        report=report,
        expectations=expectations,
        leakage=leakage,
        sealed=_read(folder, "sealed.json", SealedTestSet),
        fates=_bar({fate: getattr(counts, fate) for fate in FATES}) if counts else [],
        places=_bar(_places(counts)) if counts and counts.train else [],
        quarantine=_turned_away(folder, "quarantine.jsonl", "code"),
        excluded=_turned_away(folder, "excluded.jsonl", "remedy"),
        labels=_labels(counts, report),
        suspects=_suspects(folder, report, case.use_case),
        leaks=_leaks(folder, leakage, case) if leakage else [],
        reviews=_leaks(folder, leakage, case, review=True) if leakage else [],
        stopped=stopped,
        partitions=PARTITIONS,
    )


def _read(folder: RunFolder, name: str, model: type[Model]) -> Model | None:
    return folder.read_json(name, model) if folder.has(name) else None


def _expectations(folder: RunFolder) -> list[ExpectationResult] | None:
    if not folder.has("contract.json"):
        return None
    plain = json.loads(folder.read_bytes("contract.json"))["expectations"]
    return [ExpectationResult.model_validate(result) for result in plain]


def _bar(rows: Mapping[str, int]) -> list[Part]:
    whole = max(sum(rows.values()), 1)
    return [Part(name, number, 100 * number / whole) for name, number in rows.items()]


def _places(counts: Counts) -> dict[str, int]:
    shares = {name: getattr(counts, name) for name in PARTITIONS}
    return {name: share.rows for name, share in shares.items() if share} | {"withheld": counts.withheld}


def _turned_away(folder: RunFolder, name: str, key: str) -> list[TurnedAway]:
    """Rejections by code or by reason, the most frequent first; their raw text is left where it is."""
    if not folder.has(name):
        return []
    rows: Counter[str] = Counter()
    first: dict[str, list[Rejection]] = {}
    for rejection in _rejections(folder.checked(name)):
        code = getattr(rejection, key)
        rows[code] += 1
        if rows[code] <= EXAMPLES:
            first.setdefault(code, []).append(rejection)
    return [TurnedAway(code, number, first[code]) for code, number in rows.most_common()]


def _rejections(path: Path) -> Iterator[Rejection]:
    with path.open("rb") as lines:
        for line in lines:
            yield Rejection(**{**json.loads(line), "raw": ""})


def _labels(counts: Counts | None, report: CurationReport | None) -> list[dict[str, Any]]:
    """Each label with its rows, the commonest first, and how they fall into partitions."""
    rows = report.labels if report else {}
    most = max(rows.values(), default=1)
    shares = [getattr(counts, name, None) for name in PARTITIONS]
    return [
        {
            "name": label,
            "rows": number,
            "percent": 100 * number / most,
            "placed": [share.labels.get(label, 0) if share else None for share in shares],
        }
        for label, number in sorted(rows.items(), key=lambda item: -item[1])
    ]


def _suspects(folder: RunFolder, report: CurationReport | None, use_case: UseCase) -> list[dict[str, Any]]:
    """Rows whose label a second look should confirm, the most doubtful first; texts where the policy lets them."""
    if report is None or not report.label_noise or not folder.has(report.label_noise_file):
        return []
    found = folder.read_frame(report.label_noise_file).head(MAX_SUSPECTS)
    texts = _excerpts(folder, found["id"]) if use_case.text_policy.excerpts_in_report else {}
    return [{**row, "text": texts.get(row["id"])} for row in found.to_dict("records")]


def _leaks(folder: RunFolder, leakage: LeakageReport, case: ResolvedUseCase, review: bool = False) -> list[Leaks]:
    """Pairs by kind, the most severe kind and the highest score first."""
    if not folder.has(leakage.pairs_file):
        return []
    pairs = folder.read_frame(leakage.pairs_file)
    pairs = pairs[pairs["review"] == review].sort_values("score", ascending=False, kind="stable")
    shown = pairs.groupby("kind", sort=False).head(EXAMPLES)
    shows_text = case.use_case.text_policy.excerpts_in_report
    texts = _excerpts(folder, [*shown["evaluation_id"], *shown["train_id"]]) if shows_text else {}
    rows = pairs.drop_duplicates(["kind", "partition", "evaluation_id"])["kind"].value_counts()
    found = (
        (kind, [_shown(pair, texts) for pair in shown[shown["kind"] == kind].to_dict("records")]) for kind in KINDS
    )
    return [Leaks(kind, int(rows[kind]), kept) for kind, kept in found if kept]


def _shown(pair: dict[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """A pair with the two texts; of another source's row only the name is known."""
    own = pair["source"] == "train"
    return {
        **pair,
        "evaluation_text": texts.get(pair["evaluation_id"]),
        "train_text": texts.get(pair["train_id"]) if own else None,
    }


def _excerpts(folder: RunFolder, ids: Iterable[str]) -> dict[str, str]:
    """Id to the beginning of its input; the text column is gone through in batches."""
    if not folder.has("curated.parquet"):
        return {}
    wanted = ds.field("id").isin(pa.array(sorted(set(ids)), pa.string()))
    table = ds.dataset(folder.checked("curated.parquet")).to_table(columns=["id", "input"], filter=wanted)
    return {row["id"]: _short(row["input"]) for row in table.to_pylist()}


def _short(text: str) -> str:
    return text if len(text) <= MAX_EXCERPT else f"{text[:MAX_EXCERPT].rsplit(' ', 1)[0]} …"
