"""Promote, keep, or not enough evidence: never a promotion without evidence, never a tie for the newcomer."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from data_contracts.candidate import Candidate
from data_contracts.contest import CandidateScores, Comparison, PairedTest, Payback, Rule, Verdict
from data_contracts.use_case import Gates
from tasks.decide import rules
from tasks.decide.rules import Finding

Decision = Literal["promote", "keep", "not enough evidence"]
FURTHEST: tuple[Decision, ...] = ("promote", "not enough evidence", "keep")


@dataclass(frozen=True)
class Standing:
    """Who stands where before the verdict. `payback` maps a tune's name to what it is worth in money."""

    champion: Candidate | None
    best_prompt: Candidate
    payback: Mapping[str, Payback] = field(default_factory=dict)
    horizon_months: float = 6

    @property
    def reference(self) -> Candidate:
        """The champion, or where there is none yet, the best prompt."""
        return self.champion or self.best_prompt


@dataclass(frozen=True)
class Judged:
    """A challenger, the rules it was held to, and where that leaves it."""

    scores: CandidateScores
    findings: Sequence[Finding]
    cases_needed: int | None

    @property
    def candidate(self) -> Candidate:
        """Who it is."""
        return self.scores.candidate

    @property
    def broken(self) -> list[Finding]:
        """Must-rules that do not hold, or whose figure is missing."""
        return [finding for finding in self.findings if finding.rule.tier == "must" and not finding.rule.passed]

    @property
    def decision(self) -> Decision:
        """Promote where every must-rule holds; keep where one fails for good and no answer is missing."""
        if not self.broken:
            return "promote"
        if any(finding.rule.name == rules.COMPLETE for finding in self.broken):
            return "not enough evidence"
        return "keep" if any(finding.final for finding in self.broken) else "not enough evidence"


def decide(comparison: Comparison, standing: Standing, gates: Gates) -> Verdict:
    """The verdict on all candidates but the reference.

    A tune has to beat the champion and the best prompt, a prompt the champion. The verdict is on the challenger
    that got furthest: promotable before open before ruled out, then by metric. Of several that could be promoted, the
    cheapest wins that is within the minimum effect of the best: less than that is not worth paying for.
    """
    challengers = [one for one in comparison.candidates if one.candidate.digest != standing.reference.digest]
    judged = _cheapest_first(
        sorted((_judge(one, comparison, standing, gates) for one in challengers), key=_rank), gates
    )
    best = judged[0] if judged else None
    decision: Decision = best.decision if best else "keep"
    return Verdict(
        decision=decision,
        winner=best.candidate if best and decision == "promote" else standing.reference,
        reference=comparison.reference,
        challenger=best.candidate if best else None,
        reasons=[*_opening(standing, comparison), *_reasons(judged, comparison)],
        rules=[finding.rule for finding in best.findings] if best else [],
        cases_needed=best.cases_needed if best and decision == "not enough evidence" else None,
        payback=standing.payback.get(best.candidate.name) if best else None,
        first_champion=standing.champion is None,
    )


def _judge(challenger: CandidateScores, comparison: Comparison, standing: Standing, gates: Gates) -> Judged:
    opponents = _opponents(challenger.candidate, standing)
    tests = [_test(challenger.candidate, opponent, comparison) for opponent in opponents]
    margins = [rules.margin(test, opponent.name, gates) for test, opponent in zip(tests, opponents, strict=True)]
    reference = next((one for one in comparison.candidates if one.candidate.digest == standing.reference.digest), None)
    findings = [
        *margins,
        rules.complete_answers(comparison),
        *rules.floors(challenger, gates),
        *rules.ratios(challenger, reference, gates),
        rules.enough_cases(challenger.cases, gates),
    ]
    if challenger.candidate.kind == "tune":
        findings.append(rules.pays_back(standing.payback.get(challenger.candidate.name), standing.horizon_months))
    undecided = [test for test, found in zip(tests, margins, strict=True) if test and not found.rule.passed]
    needed = rules.cases_to_settle(undecided, challenger.cases, gates)
    return Judged(challenger, findings, needed)


def _opponents(challenger: Candidate, standing: Standing) -> list[Candidate]:
    if challenger.kind == "tune" and standing.best_prompt.digest != standing.reference.digest:
        return [standing.reference, standing.best_prompt]
    return [standing.reference]


def _test(challenger: Candidate, opponent: Candidate, comparison: Comparison) -> PairedTest | None:
    """By digest, not by name: champion and best prompt may be one and the same."""
    digests = {one.candidate.name: one.candidate.digest for one in comparison.candidates}
    wanted = challenger.digest, opponent.digest
    return next(
        (one for one in comparison.tests if (digests.get(one.candidate), digests.get(one.reference)) == wanted), None
    )


def _rank(judged: Judged) -> tuple[int, float, float]:
    return FURTHEST.index(judged.decision), -judged.scores.metric.value, _cost(judged)


def _cheapest_first(judged: list[Judged], gates: Gates) -> list[Judged]:
    """Where the front could be promoted, its cheapest as good as the best moves to the head."""
    if not judged or judged[0].decision != "promote":
        return judged
    floor = judged[0].scores.metric.value - gates.minimum_effect
    front = [one for one in judged if one.decision == "promote" and one.scores.metric.value >= floor]
    chosen = min(front, key=_cost)
    return [chosen, *(one for one in judged if one is not chosen)]


def _cost(judged: Judged) -> float:
    cost = judged.scores.cost_per_request
    return math.inf if cost is None else cost


def _opening(standing: Standing, comparison: Comparison) -> list[str]:
    champion, prompt = standing.champion, standing.best_prompt
    if champion is None:
        return [f"There was no champion: {prompt.name} ({prompt.model}) becomes it and is the reference."]
    contestants = [prompt, *(one.candidate for one in comparison.candidates)]
    same = {one.name for one in contestants if one.digest == champion.digest} - {champion.name}
    return [f"{name}: the champion is this very candidate ({champion.model})." for name in sorted(same)]


def _reasons(judged: Sequence[Judged], comparison: Comparison) -> list[str]:
    if not judged:
        return ["Nothing else was tried against it."]
    best, *others = judged
    return [*_verdict_reasons(best, comparison), *(_in_short(one, best) for one in others)]


def _verdict_reasons(best: Judged, comparison: Comparison) -> list[str]:
    name, metric = best.candidate.name, comparison.metric
    said = [finding.rule for finding in best.broken] or [
        f.rule for f in best.findings if f.rule.name.startswith("beats")
    ]
    outcome = {
        "promote": f"{name} ({best.candidate.model}) is promoted on {metric} over {best.scores.cases} test cases",
        "keep": f"{name} is ruled out on {best.scores.cases} test cases",
        "not enough evidence": f"{best.scores.cases} test cases do not settle whether {name} is better on {metric}",
    }[best.decision]
    reasons = [f"{outcome}.", *(f"{rule.name}: {rule.figure}." for rule in said)]
    if best.decision == "not enough evidence" and best.cases_needed:
        reasons.append(f"About {best.cases_needed} test cases in all would settle it if the difference stays as it is.")
    unmet = [finding.rule for finding in best.findings if finding.rule.tier == "should" and not finding.rule.passed]
    return reasons + [f"{_unmet(rule)}, {rule.name}: {rule.figure}" for rule in unmet]


def _unmet(rule: Rule) -> str:
    return "Should hold and is unknown" if rule.passed is None else "Should hold and does not"


def _in_short(judged: Judged, best: Judged) -> str:
    name, score = judged.candidate.name, judged.scores.metric.value
    if judged.decision == "promote":
        dearer = "; it costs more, and gains less than the minimum effect" if score > best.scores.metric.value else ""
        return f"{name} would have been promoted too, with {score:.3f}{dearer}."
    rule = judged.broken[0].rule
    return f"{name} ({score:.3f}), {judged.decision}: {rule.name}, {rule.figure}."
