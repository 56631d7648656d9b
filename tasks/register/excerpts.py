"""Row text in the report: cases quoted as examples, and nothing at all where the text policy forbids it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from data_contracts.evidence import Disagreement, FailureCluster, FailureReport
from data_contracts.trial import TrialRecord

MAX_WORST = 12
MAX_OF_CLUSTER = 3
MAX_OF_SIDE = 5
MAX_LENGTH = 1000


@dataclass(frozen=True)
class Given:
    """What a candidate answered."""

    candidate: str
    text: str
    outcome: str


@dataclass(frozen=True)
class Example:
    """A case with its answers."""

    case: str
    input: str
    expected: str
    answers: list[Given]


class Excerpts:
    """The cases of a trial as examples; every list is empty where the use case keeps row text out of reports."""

    def __init__(self, trial: TrialRecord) -> None:
        self.allowed = trial.case.use_case.text_policy.excerpts_in_report
        self._inputs = trial.inputs
        self._first = trial.answers.loc[trial.answers["repeat"] == 0]
        self._rows: dict[tuple[str, str], Any] = {
            (str(row.candidate), str(row.case)): row for row in self._first.itertuples() if self.allowed
        }

    def worst(self, candidate: str) -> list[Example]:
        """The cases that it got most wrong."""
        answers = self._first
        wrong = answers.loc[(answers["candidate"] == candidate) & (answers["score"] < 1)]
        worst = wrong.sort_values(["score", "case"]).head(MAX_WORST)
        return self._examples(worst["case"].astype(str), [candidate], MAX_WORST)

    def of_cluster(self, cluster: FailureCluster, candidate: str) -> list[Example]:
        """The first cases of a cluster."""
        return self._examples(cluster.cases, [candidate], MAX_OF_CLUSTER)

    def won(self, two: Disagreement) -> list[Example]:
        """Cases that only the candidate has right, with both answers."""
        return self._examples(two.won, [two.candidate, two.reference], MAX_OF_SIDE)

    def lost(self, two: Disagreement) -> list[Example]:
        """Cases that only the reference has right, with both answers."""
        return self._examples(two.lost, [two.candidate, two.reference], MAX_OF_SIDE)

    def _examples(self, cases: Sequence[str], candidates: Sequence[str], most: int) -> list[Example]:
        answered = [case for case in cases if all((name, case) in self._rows for name in candidates)]
        return [self._example(case, candidates) for case in answered[:most]]

    def _example(self, case: str, candidates: Sequence[str]) -> Example:
        rows = [self._rows[name, case] for name in candidates]
        answers = [Given(str(row.candidate), _cut(str(row.output)), str(row.outcome)) for row in rows]
        return Example(case, _cut(self._inputs.get(case, "")), _cut(str(rows[0].expected)), answers)


def shown_failures(trial: TrialRecord) -> FailureReport:
    """The failures as they may be shown: without the clusters' terms, words of inputs, where the policy forbids it."""
    if trial.case.use_case.text_policy.excerpts_in_report:
        return trial.failures
    candidates = [
        one.model_copy(update={"clusters": [each.model_copy(update={"terms": []}) for each in one.clusters]})
        for one in trial.failures.candidates
    ]
    return trial.failures.model_copy(update={"candidates": candidates})


def _cut(text: str) -> str:
    return text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH].rstrip()} …"
