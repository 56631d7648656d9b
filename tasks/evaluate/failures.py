"""What each candidate gets wrong, of which kind, in which groups of inputs, and what would help."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import pandas as pd

from data_contracts.candidate import Candidate
from data_contracts.evidence import Disagreement, FailureCluster, FailureKind, FailureReport, Failures
from data_contracts.text import canonical_json
from data_contracts.use_case import TaskKind
from tasks.evaluate.failing.failure_kinds import Failing, Panel, majority, marked
from tasks.evaluate.failing.likeness import Likeness
from tasks.evaluate.score import is_exact
from tasks.prompting.tool_calls import is_calls

Name = TypeVar("Name", bound=str)

CLUSTERS = 8
FREQUENT = 5
NAMED = 20

REMEDIES: Mapping[FailureKind, str] = {
    "consistency": (
        "consistency: answers of no readable form, or different answers to the same input. Ask for a schema "
        "(`structured: true`), set `decoding.temperature: 0`, and raise `decoding.max_tokens` where they are cut off."
    ),
    "systematic": (
        "systematic: readable, steady, undisputed and wrong{most}. Fine-tune on such cases, or give the prompt "
        "examples of them or a rule."
    ),
    "judgement": (
        "judgement: answers that can be defended. Let the label guide (the prompt's rules) decide such cases, or tune "
        "on preference pairs (DPO)."
    ),
}


@dataclass(frozen=True)
class FailurePolicy:
    """What is explained: the input text of every case, and the pairs (candidate, reference) to set side by side."""

    kind: TaskKind
    inputs: Mapping[str, str]
    pairs: Sequence[tuple[str, str]] = field(default_factory=tuple)


def explain(answers: pd.DataFrame, candidates: Sequence[Candidate], policy: FailurePolicy) -> FailureReport:
    """Failing cases by kind and in clusters, and every pair of candidates case by case.

    `answers` has ANSWER_COLUMNS with scores; a case fails where any of its answers is wrong, so one that is right at
    first and wrong when asked again fails too. The same answers in any order give the same report.
    """
    cases = sorted(answers["case"].unique())
    panel = Panel(
        marked(answers, policy.kind), policy.kind, Likeness({case: policy.inputs.get(case, "") for case in cases})
    )
    return FailureReport(
        candidates=[_failures(panel, candidate.name) for candidate in candidates],
        disagreements=[_disagreement(panel, candidate, reference) for candidate, reference in policy.pairs],
    )


def _failures(panel: Panel, candidate: str) -> Failures:
    failing = panel.failing(candidate)
    return Failures(
        candidate=candidate,
        cases=int((panel.first["candidate"] == candidate).sum()),
        failed=len(failing),
        by_kind=_counts(item.kind for item in failing if item.kind),
        by_outcome=_counts(item.outcome for item in failing),
        remedies=list(_remedies(failing, panel)),
        clusters=_clusters(failing, panel),
    )


# ---------------------------------------------------------------- remedies


def _remedies(failing: Sequence[Failing], panel: Panel) -> Iterator[str]:
    """One sentence a kind, the most frequent first; then what would tell more."""
    if not failing:
        yield "Nothing to mend: every case is right."
        return
    counts = Counter(item.kind for item in failing)
    for kind, cases in sorted(counts.items(), key=lambda item: (-item[1], item[0] or "")):
        if kind:
            yield f"{cases} of {len(failing)} failing cases are {REMEDIES[kind].format(most=_most(failing, panel))}"
    if counts[None]:
        yield f"{counts[None]} of {len(failing)} have no answer at all: `tunegate run` asks for them again."
    if not (panel.answers["repeat"] > 0).any():
        yield "No input was asked twice: `evaluation.repeats` tells unsteady answers from steady mistakes."


def _most(failing: Sequence[Failing], panel: Panel) -> str:
    """The mistake made most often among the systematic ones, where it was made more than once."""
    systematic = [item for item in failing if item.kind == "systematic"]
    if panel.kind is not TaskKind.CLASSIFICATION or any(is_calls(item.expected) for item in systematic):
        return ""
    pairs = _counts(f"{item.given} for {item.expected}" for item in systematic)
    mistake, cases = next(iter(pairs.items()), ("", 0))
    return f", most often {mistake} ({cases} times)" if cases > 1 else ""


# ---------------------------------------------------------------- clusters


def _clusters(failing: Sequence[Failing], panel: Panel) -> list[FailureCluster]:
    """The largest groups of failing inputs that are alike; cases without an answer fail for no reason of theirs."""
    known = {item.case: item for item in failing if item.kind}
    groups = panel.likeness.groups(list(known))[:CLUSTERS]
    return [_cluster([known[case] for case in group], panel) for group in groups]


def _cluster(members: Sequence[Failing], panel: Panel) -> FailureCluster:
    cases = [item.case for item in members]
    mistakes = [mistake for item in members for mistake in _mistakes(item, panel.kind)]
    return FailureCluster(
        kind=majority(members),
        cases=cases,
        terms=panel.likeness.terms(cases),
        expected=_counts((expected for expected, _ in mistakes), FREQUENT),
        given=_counts((given for _, given in mistakes), FREQUENT),
    )


def _mistakes(item: Failing, kind: TaskKind) -> Iterator[tuple[str, str]]:
    """(expected, given): labels, or names of fields; never the text of a row."""
    if item.outcome != "answered" and (kind is not TaskKind.CLASSIFICATION or is_calls(item.expected)):
        yield "a readable answer", item.given
    elif kind is TaskKind.FREE_TEXT:
        return
    elif kind is TaskKind.EXTRACTION or is_calls(item.expected) or is_calls(item.given):
        yield from _wrong_fields(item)
    else:
        yield item.expected, item.given


def _wrong_fields(item: Failing) -> Iterator[tuple[str, str]]:
    expected, given = _object(item.expected), _object(item.given)
    for name in sorted(expected.keys() | given.keys()):
        one, other = (canonical_json({name: side.get(name)}) for side in (expected, given))
        if not is_exact(other, one, TaskKind.EXTRACTION):
            missing = given.get(name) is None
            yield (
                name,
                f"no {name}" if missing else f"another {name}" if expected.get(name) is not None else f"a {name}",
            )


def _object(text: str) -> dict[str, object]:
    try:
        content = json.loads(text)
    except ValueError:
        content = text
    return content if isinstance(content, dict) else {"answer": content}


# ---------------------------------------------------------------- disagreements


def _disagreement(panel: Panel, candidate: str, reference: str) -> Disagreement:
    """Both on their first answers to the same cases."""
    mine, others = (_right_cases(panel, name) for name in (candidate, reference))
    cases = panel.first.loc[panel.first["candidate"] == candidate, "case"]
    won, lost = sorted(mine - others), sorted(others - mine)
    return Disagreement(
        candidate=candidate,
        reference=reference,
        both_right=len(mine & others),
        only_candidate=len(won),
        only_reference=len(lost),
        both_wrong=len(set(cases) - mine - others),
        won=won[:NAMED],
        lost=lost[:NAMED],
    )


def _right_cases(panel: Panel, candidate: str) -> set[str]:
    first = panel.first
    return set(first.loc[(first["candidate"] == candidate) & first["right"], "case"])


def _counts(names: Iterable[Name], most: int | None = None) -> dict[Name, int]:
    """How often each occurs, the most frequent first, then by name."""
    counts = sorted(Counter(names).items(), key=lambda item: (-item[1], item[0]))
    return dict(counts[:most])
