"""How right one answer is, from 0 to 1."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from data_contracts.contract import Contract
from data_contracts.text import canonical_json, normalised_words
from data_contracts.use_case import TaskKind
from tasks.errors import ConfigurationError
from tasks.evaluate.scores.own_score import OwnScore
from tasks.prompting.tool_calls import is_calls

if TYPE_CHECKING:
    from sacrebleu.metrics import CHRF

Scoring = Callable[[str, str, str], float]  # of case, answer as it was read, and expected answer


@dataclass(frozen=True)
class ScorePolicy:
    """Which metric decides: `chrf` and `custom` replace the score that answers of a kind have by themselves.

    `scorer` and `inputs`, the input text of each case, are for `custom`.
    """

    metric: str = ""
    scorer: OwnScore | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)


BY_KIND = ScorePolicy()


def score(answers: pd.DataFrame, kind: TaskKind, contract: Contract, policy: ScorePolicy = BY_KIND) -> pd.DataFrame:
    """ANSWER_COLUMNS with `score` filled in; any outcome but `answered` is 0, whoever the candidate is.

    Classification: 1 for the expected label. Extraction: F1 over the fields that the contract's schema names.
    Free text: F1 over words, or chrF. Where one of the two is tool calls: F1 over calls. `custom`: your own function.
    """
    of = _scoring(kind, contract, policy)
    columns = zip(answers["outcome"], answers["case"], answers["parsed"], answers["expected"], strict=True)
    scores = [of(*texts) if outcome == "answered" else 0.0 for outcome, *texts in columns]
    return answers.assign(score=np.array(scores, dtype=np.float64))


def is_exact(parsed: str, expected: str, kind: TaskKind) -> bool:
    """Whether an answer is the expected one: the label; every field or tool call; or every word, in order."""
    return meaning(parsed, kind) == meaning(expected, kind)


def meaning(parsed: str, kind: TaskKind) -> Hashable:
    """What two answers have in common that count as the same: label, fields or tool calls, or words in order."""
    if kind is TaskKind.EXTRACTION or is_calls(parsed):
        return frozenset(_fields(parsed).items())
    return normalised_words(parsed) if kind is TaskKind.FREE_TEXT else parsed


def field_f1(parsed: str, expected: str, named: Collection[str] | None = None) -> float:
    """F1 of (field, value) pairs of two JSON objects; 1 where both are empty. `named`: top-level fields that count.

    Null and an absent field are the same; so are texts that differ in case and space, and 1 and 1.0. An element of a
    list is one value, its place in the list does not count.
    """
    return _f1(_fields(parsed, named), _fields(expected, named))


def text_f1(parsed: str, expected: str) -> float:
    """F1 of two bags of words: the token F1 of SQuAD (Rajpurkar et al. 2016), English articles kept."""
    return _f1(Counter(normalised_words(parsed).split()), Counter(normalised_words(expected).split()))


def chrf(parsed: str, expected: str) -> float:
    """Sentence chrF++ / 100: F2 over 1 to 6 characters and 1 to 2 words in a row (Popovic 2015, 2017), by sacrebleu."""
    return float(_chrf_plus_plus().sentence_score(parsed, [expected]).score) / 100


def named_fields(contract: Contract) -> frozenset[str] | None:
    """The top-level fields that count in an extraction; None: the contract names none, so all do."""
    named = (contract.output_schema or {}).get("properties")
    return None if named is None else frozenset(named)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any JSON value
    """(path, value) pairs of a JSON value, as `field_f1` compares them."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from leaves(part, f"{path}/{name}")
    elif isinstance(value, list):
        yield from ((f"{path}[]", canonical_json(_plain(part))) for part in value)
    elif value is not None:
        yield path, canonical_json(_plain(value))


def _scoring(kind: TaskKind, contract: Contract, policy: ScorePolicy) -> Scoring:
    if policy.metric == "custom":
        return _own(policy)
    overlaps: dict[TaskKind, Callable[[str, str], float]] = {
        TaskKind.CLASSIFICATION: lambda parsed, expected: float(parsed == expected),
        TaskKind.EXTRACTION: partial(field_f1, named=named_fields(contract)),
        TaskKind.FREE_TEXT: chrf if policy.metric == "chrf" else text_f1,
    }
    overlap = overlaps[kind]

    def of(case: str, parsed: str, expected: str) -> float:
        return field_f1(parsed, expected) if is_calls(expected) or is_calls(parsed) else overlap(parsed, expected)

    return of


def _own(policy: ScorePolicy) -> Scoring:
    scorer, inputs = policy.scorer, policy.inputs
    if scorer is None:
        problem = "custom needs a function of your own"
        raise ConfigurationError("gates.metric", problem, 'Set evaluation.scorer to "module:function".')
    return lambda case, parsed, expected: scorer(case, parsed, expected, inputs[case])


@cache
def _chrf_plus_plus() -> "CHRF":
    from sacrebleu.metrics import CHRF

    return CHRF(word_order=2)


def _f1(given: Counter[Any], right: Counter[Any]) -> float:
    claimed = given.total() + right.total()
    return 2 * (given & right).total() / claimed if claimed else 1.0


def _fields(text: str, named: Collection[str] | None = None) -> Counter[tuple[str, str]]:
    try:
        content = json.loads(text)
    except ValueError:
        return Counter({("", text): 1})
    if named is not None and isinstance(content, dict):
        content = {name: value for name, value in content.items() if name in named}
    return Counter(leaves(content))


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The value without what does not count: nulls, case and space of texts, order of lists, 1.0 for 1."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items() if part is not None}
    if isinstance(value, list):
        return sorted((_plain(part) for part in value), key=canonical_json)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return " ".join(value.casefold().split()) if isinstance(value, str) else value
