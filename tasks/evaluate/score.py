"""How right one answer is, from 0 to 1."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.contract import Contract
from data_contracts.text import canonical_json, normalised_words
from data_contracts.use_case import TaskKind
from tasks.prompting.tool_calls import is_calls


def score(answers: pd.DataFrame, kind: TaskKind, contract: Contract) -> pd.DataFrame:
    """ANSWER_COLUMNS with `score` filled in; any outcome but `answered` is 0, whoever the candidate is.

    Classification: 1 for the expected label. Extraction: F1 over the fields that the contract's schema names.
    Free text: F1 over words. Where one of the two is tool calls: F1 over calls.
    """
    named = (contract.output_schema or {}).get("properties")

    def of(parsed: str, expected: str) -> float:
        if is_calls(expected) or is_calls(parsed):
            return field_f1(parsed, expected)
        if kind is TaskKind.EXTRACTION:
            return field_f1(parsed, expected, None if named is None else frozenset(named))
        return text_f1(parsed, expected) if kind is TaskKind.FREE_TEXT else float(parsed == expected)

    columns = zip(answers["outcome"], answers["parsed"], answers["expected"], strict=True)
    scores = [of(parsed, expected) if outcome == "answered" else 0.0 for outcome, parsed, expected in columns]
    return answers.assign(score=np.array(scores, dtype=np.float64))


def is_exact(parsed: str, expected: str, kind: TaskKind) -> bool:
    """Whether an answer is the expected one: the label; every field or tool call; or every word, in order."""
    if kind is TaskKind.EXTRACTION or is_calls(expected) or is_calls(parsed):
        return _fields(parsed) == _fields(expected)
    if kind is TaskKind.FREE_TEXT:
        return normalised_words(parsed) == normalised_words(expected)
    return parsed == expected


def field_f1(parsed: str, expected: str, named: frozenset[str] | None = None) -> float:
    """F1 of (field, value) pairs of two JSON objects; 1 where both are empty. `named`: top-level fields that count.

    Null and an absent field are the same; so are texts that differ in case and space, and 1 and 1.0. An element of a
    list is one value, its place in the list does not count.
    """
    given, right = _fields(parsed, named), _fields(expected, named)
    return _f1(given, right)


def text_f1(parsed: str, expected: str) -> float:
    """F1 of two bags of words: the token F1 of SQuAD (Rajpurkar et al. 2016), English articles kept."""
    return _f1(Counter(normalised_words(parsed).split()), Counter(normalised_words(expected).split()))


def _f1(given: Counter[Any], right: Counter[Any]) -> float:
    claimed = given.total() + right.total()
    return 2 * (given & right).total() / claimed if claimed else 1.0


def _fields(text: str, named: frozenset[str] | None = None) -> Counter[tuple[str, str]]:
    try:
        content = json.loads(text)
    except ValueError:
        return Counter({("", text): 1})
    if named is not None and isinstance(content, dict):
        content = {name: value for name, value in content.items() if name in named}
    return Counter(_leaves(content, ""))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _leaves(part, f"{path}/{name}")
    elif isinstance(value, list):
        yield from ((f"{path}[]", canonical_json(_plain(part))) for part in value)
    elif value is not None:
        yield path, canonical_json(_plain(value))


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The value without what does not count: nulls, case and space of texts, order of lists, 1.0 for 1."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items() if part is not None}
    if isinstance(value, list):
        return sorted((_plain(part) for part in value), key=canonical_json)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return " ".join(value.casefold().split()) if isinstance(value, str) else value
