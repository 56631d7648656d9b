"""One candidate's scores label by label and field by field, and the metrics that do not decide."""

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import replace

import pandas as pd

from data_contracts.contract import Contract
from data_contracts.evidence import LabelScore
from data_contracts.text import canonical_json
from data_contracts.use_case import TaskKind
from tasks.evaluate.comparison.measure import ComparisonError, given_labels
from tasks.evaluate.score import ScorePolicy, leaves, score
from tasks.prompting.tool_calls import is_calls

Values = dict[str, Counter[tuple[str, str]]]  # top-level field -> its values
OVERLAPS = {
    TaskKind.CLASSIFICATION: (),
    TaskKind.EXTRACTION: ("field_f1",),
    TaskKind.FREE_TEXT: ("text_f1", "chrf"),
}


def by_label(side: pd.DataFrame) -> dict[str, LabelScore]:
    """Precision, recall and F1 of each label that is expected; no answer is a miss. ComparisonError without cases."""
    from sklearn.metrics import precision_recall_fscore_support

    expected = _some(side)["expected"].to_numpy(object)
    labels = sorted(set(expected))
    figures = precision_recall_fscore_support(expected, given_labels(side), labels=labels, zero_division=0.0)
    return {
        label: LabelScore(cases=int(cases), precision=float(precision), recall=float(recall), f1=float(f1))
        for label, precision, recall, f1, cases in zip(labels, *figures, strict=True)
    }


def by_field(side: pd.DataFrame, named: Collection[str] | None = None) -> dict[str, LabelScore]:
    """Precision, recall and F1 of each top-level field, its values pooled over the cases and compared as by field_f1.

    `named`: the fields that count, None: all. Tool calls are one field, `tool_calls`. ComparisonError without cases.
    """
    cases, given, due, hits = (Counter[str]() for _ in range(4))
    columns = zip(_some(side)["outcome"], side["parsed"], side["expected"], strict=True)
    for outcome, parsed, expected in columns:
        claimed = _values(parsed, named) if outcome == "answered" else {}
        right = _values(expected, named)
        cases.update(right.keys())
        given.update({name: values.total() for name, values in claimed.items()})
        due.update({name: values.total() for name, values in right.items()})
        hits.update({name: (claimed[name] & right[name]).total() for name in claimed.keys() & right.keys()})
    return {name: _label_score(cases[name], given[name], due[name], hits[name]) for name in sorted(given | due)}


def exact_match(side: pd.DataFrame) -> float:
    """Share of outputs that are the expected text as it stands, or the same JSON. ComparisonError without cases."""
    answered = _some(side)["outcome"] == "answered"
    return float((answered & (side["output"].map(_as_it_stands) == side["expected"].map(_as_it_stands))).mean())


def schema_adherence(side: pd.DataFrame) -> float | None:
    """Share of outputs that are an object valid by the contract's schema, of the cases that expect one; None: none do.

    It is the format adherence of an extraction, whose answers are validated as they are read, with one difference:
    tool calls in place of the object do not pass.
    """
    asked = side[~_some(side)["expected"].map(is_calls)]
    valid = (asked["outcome"] == "answered") & ~asked["parsed"].map(is_calls)
    return float(valid.mean()) if len(asked) else None


def further(side: pd.DataFrame, kind: TaskKind, contract: Contract, policy: ScorePolicy) -> dict[str, float]:
    """Every metric of one candidate's answers that does not decide, by name. ComparisonError without cases."""
    own = ("custom",) if policy.scorer else ()
    names = [name for name in (*OVERLAPS[kind], *own) if name != policy.metric]
    scored = {name: score(_some(side), kind, contract, replace(policy, metric=name)) for name in names}
    found = {name: float(frame["score"].mean()) for name, frame in scored.items()}
    adherence = schema_adherence(side) if kind is TaskKind.EXTRACTION and contract.output_schema else None
    if adherence is not None:
        found["schema_adherence"] = adherence
    return found | {"exact_match": exact_match(side)}


def _as_it_stands(text: str) -> str:
    """Spaces between the parts of a JSON text, and the order of its fields, say nothing."""
    try:
        return canonical_json(json.loads(text))
    except ValueError:
        return text


def _some(side: pd.DataFrame) -> pd.DataFrame:
    if side.empty:
        raise ComparisonError("scores", "there is no answer to any case", "Let the candidate answer the test set.")
    return side


def _values(text: str, named: Collection[str] | None) -> Values:
    """The values of each top-level field that has any; a text that is no JSON object is one field without a name."""
    try:
        content = json.loads(text)
    except ValueError:
        content = text
    if not isinstance(content, dict):
        return {"": Counter(leaves(content))}
    counted = content if named is None or is_calls(text) else {name: content[name] for name in named & content.keys()}
    values = {name: Counter(leaves(value)) for name, value in counted.items()}
    return {name: found for name, found in values.items() if found}


def _label_score(cases: int, given: int, due: int, hits: int) -> LabelScore:
    claimed = given + due
    return LabelScore(
        cases=cases,
        precision=hits / given if given else 0.0,
        recall=hits / due if due else 0.0,
        f1=2 * hits / claimed if claimed else 0.0,
    )
