"""What a recommendation rests on, and who is who in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from data_contracts.contest import CandidateScores, Comparison, PairedTest, PromptSearch, Verdict
from data_contracts.evidence import FailureReport, Interval
from data_contracts.gates import Economics, Gates
from data_contracts.use_case import TaskKind
from data_contracts.worth import Payback

FEW_VARIANTS = 4  # advice: role and rules, examples, reasoning and a schema make four before a prompt is called done


@dataclass(frozen=True)
class RecommendCase:
    """All that a recommendation rests on. `payback` maps a tune's name to what it is worth."""

    use_case: str
    kind: TaskKind
    verdict: Verdict
    comparison: Comparison
    failures: FailureReport
    payback: Mapping[str, Payback]
    economics: Economics
    gates: Gates
    search: PromptSearch
    train_rows: int | None = None

    @cached_property
    def winner(self) -> CandidateScores:
        """Who is champion after the trial, as it was scored."""
        wanted = self.verdict.winner
        found = [item for item in self.comparison.candidates if item.candidate.digest == wanted.digest]
        return found[0] if found else self.named(wanted.name) or self.comparison.candidates[0]

    @cached_property
    def prompt(self) -> CandidateScores | None:
        """The best prompt, which may be the champion."""
        champion = self.named("champion")
        return self.named("best-prompt") or (champion if champion and champion.candidate.kind == "prompt" else None)

    @cached_property
    def tune(self) -> CandidateScores | None:
        """The tune that got furthest; None where none took part."""
        tunes = [item for item in self.comparison.candidates if item.candidate.kind == "tune"]
        first = [item.digest for item in (self.verdict.winner, self.verdict.challenger) if item]
        tunes.sort(key=lambda item: -item.metric.value)
        return next((item for digest in first for item in tunes if item.candidate.digest == digest), None) or (
            tunes[0] if tunes else None
        )

    @property
    def worth(self) -> Payback | None:
        """Of that tune."""
        return self.payback.get(self.tune.candidate.name) if self.tune else None

    def test(self, candidate: CandidateScores | None, reference: CandidateScores | None) -> PairedTest | None:
        """The paired test of the two, seen from the candidate; None where nobody tested them."""
        if candidate is None or reference is None:
            return None
        one, other = candidate.candidate.name, reference.candidate.name
        tests = {(item.candidate, item.reference): item for item in self.comparison.tests}
        return tests.get((one, other)) or _turned(tests.get((other, one)))

    def named(self, name: str) -> CandidateScores | None:
        """The candidate of that name; None where it took no part."""
        return next((item for item in self.comparison.candidates if item.candidate.name == name), None)

    @property
    def untried(self) -> list[str]:
        """Means that no prompt of the search used, of those that published advice wants tried before a tune."""
        prompts = [item.candidate.prompt for item in self.search.tried]
        tried = {
            f"{FEW_VARIANTS} variants": len({prompt.digest for prompt in prompts}) >= FEW_VARIANTS,
            "few-shot examples": any(prompt.few_shot.count for prompt in prompts),
            "reasoning": any(prompt.reasoning for prompt in prompts),
            "schema": self.kind is TaskKind.FREE_TEXT or any(prompt.structured for prompt in prompts),
        }
        return [name for name, done in tried.items() if not done]


def _turned(test: PairedTest | None) -> PairedTest | None:
    """The same test seen from the reference."""
    if test is None:
        return None
    found = test.difference
    turned = Interval(value=-found.value, low=-found.high, high=-found.low)
    sides = {"candidate": test.reference, "reference": test.candidate, "wins": test.losses, "losses": test.wins}
    return test.model_copy(update={"difference": turned, **sides})
