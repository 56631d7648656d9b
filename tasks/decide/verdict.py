"""Promote, keep, or not enough evidence: never a promotion without evidence, never a tie for the newcomer."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from data_contracts.candidate import Candidate
from data_contracts.contest import CandidateScores, ChampionStanding, Comparison, PairedTest, Rule, Verdict
from data_contracts.gates import Gates
from data_contracts.worth import Payback
from tasks.decide import leaving, rules
from tasks.decide.judged import judge_rules
from tasks.decide.margins import margins
from tasks.decide.rules import Finding

Decision = Literal["promote", "keep", "not enough evidence"]
Duel = Callable[[PairedTest | None, str, int, Gates], Finding]
DUELS = (rules.BEATS, rules.NOT_WORSE)
FURTHEST: tuple[Decision, ...] = ("promote", "not enough evidence", "keep")


@dataclass(frozen=True)
class Standing:
    """Who stands where before the verdict. `payback` maps a tune's name to what it is worth in money."""

    champion: Candidate | None
    best_prompt: Candidate
    payback: Mapping[str, Payback] = field(default_factory=dict)
    horizon_months: float = 6
    met: ChampionStanding | None = None  # of the champion that the trial found, be it gone by now

    @property
    def reference(self) -> Candidate:
        """The champion, or where there is none that answers, the best prompt."""
        return self.champion or self.best_prompt

    def need_not_win(self, challenger: Candidate, opponent: Candidate) -> bool:
        """Whether the opponent is a champion on its way out, and the challenger answers longer."""
        leaves = self.met is not None and self.met.state == "leaving" and challenger.name in self.met.outlasted_by
        return leaves and self.champion is not None and opponent.digest == self.champion.digest


@dataclass(frozen=True)
class Judged:
    """A challenger, the rules it was held to, and where that leaves it."""

    scores: CandidateScores
    findings: Sequence[Finding]
    groups_a_case: float | None = None  # None: each case stands by itself

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

    @property
    def settled_by_cases(self) -> list[Finding]:
        """Open must-rules on which more test cases bear."""
        return [finding for finding in self.broken if finding.needed is not None and not finding.final]

    @property
    def cases_needed(self) -> int | None:
        """Test cases in all that would settle them; None where no number does, or none is open."""
        most = max((finding.needed or 0.0 for finding in self.settled_by_cases), default=math.inf)
        return None if math.isinf(most) else int(most)


def decide(comparison: Comparison, standing: Standing, gates: Gates) -> Verdict:
    """The verdict on all candidates but the reference.

    A tune has to beat the champion and the best prompt, a prompt the champion; to a champion that leaves, what answers
    longer need only be not worse. The verdict is on the challenger that got furthest: promotable before open before
    ruled out, then by metric. Of several that could be promoted, the cheapest wins that is within the minimum effect of
    the best: less than that is not worth paying for. Raises ConfigurationError where `gates.tiers` names no rule.
    """
    rules.check_tiers(gates)
    whole, comparison = comparison, leaving.contested(comparison)
    challengers = [one for one in comparison.candidates if one.candidate.digest != standing.reference.digest]
    judged = _cheapest_first(
        sorted((_judge(one, comparison, standing, gates) for one in challengers), key=_rank), gates
    )
    said = leaving.said_of(standing.met, whole, gates) if standing.met else []
    best = judged[0] if judged else None
    decision: Decision = best.decision if best else "keep"
    return Verdict(
        decision=decision,
        winner=best.candidate if best and decision == "promote" else standing.reference,
        reference=comparison.reference,
        challenger=best.candidate if best else None,
        reasons=[*_opening(standing, comparison, decision), *said, *_reasons(judged, comparison, gates)],
        rules=[finding.rule for finding in best.findings] if best else [],
        cases_needed=best.cases_needed if best and decision == "not enough evidence" else None,
        payback=standing.payback.get(best.candidate.name) if best else None,
        first_champion=standing.champion is None,
        champion_standing=standing.met,
    )


def _judge(challenger: CandidateScores, comparison: Comparison, standing: Standing, gates: Gates) -> Judged:
    candidate, cases = challenger.candidate, challenger.cases
    met = [(opponent, _test(candidate, opponent, comparison)) for opponent in _opponents(candidate, standing)]
    findings = [
        *(_duel(candidate, standing, opponent)(test, opponent.name, cases, gates) for opponent, test in met),
        rules.complete_answers(comparison),
        *rules.floors(challenger, rules.independent_cases(comparison.tests, cases), gates),
        *margins(challenger, comparison, gates),
        rules.enough_cases(cases, gates),
        *rules.enough_power([test for _, test in met if test], gates),
        *rules.consistent(challenger, gates),
        *judge_rules(challenger, comparison, gates),
    ]
    if candidate.kind == "tune":
        findings.append(rules.pays_back(standing.payback.get(candidate.name), standing.horizon_months, gates))
    return Judged(challenger, findings, _groups_a_case([test for _, test in met if test], cases))


def _duel(challenger: Candidate, standing: Standing, opponent: Candidate) -> Duel:
    return leaving.not_worse if standing.need_not_win(challenger, opponent) else rules.beats


def _groups_a_case(tests: Sequence[PairedTest], cases: int) -> float | None:
    return next((test.clusters / rules.cases_read(test, cases) for test in tests if test.clusters), None)


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


def _opening(standing: Standing, comparison: Comparison, decision: Decision) -> list[str]:
    champion, prompt, met = standing.champion, standing.best_prompt, standing.met
    if champion is None:
        was = f"The champion ({met.model}) no longer answers" if met else "There was no champion"
        then = "is the reference" if decision == "promote" else "becomes it and is the reference"
        return [f"{was}: {prompt.name} ({prompt.model}) {then}."]
    contestants = [prompt, *(one.candidate for one in comparison.candidates)]
    same = {one.name for one in contestants if one.digest == champion.digest} - {champion.name}
    return [f"{name}: the champion is this very candidate ({champion.model})." for name in sorted(same)]


def _reasons(judged: Sequence[Judged], comparison: Comparison, gates: Gates) -> list[str]:
    if not judged:
        return ["Nothing else was tried against it."]
    best, *others = judged
    return [*_verdict_reasons(best, comparison), *_chosen(judged, gates), *(_in_short(one, best) for one in others)]


def _verdict_reasons(best: Judged, comparison: Comparison) -> list[str]:
    name, metric = best.candidate.name, comparison.metric
    duels = [finding.rule for finding in best.findings if finding.rule.name.startswith(DUELS)]
    said = [finding.rule for finding in best.broken] or duels
    enough = "good enough" if any(rule.name.startswith(rules.NOT_WORSE) for rule in duels) else "better"
    outcome = {
        "promote": f"{name} ({best.candidate.model}) is promoted on {metric} over {best.scores.cases} test cases",
        "keep": f"{name} is ruled out on {best.scores.cases} test cases",
        "not enough evidence": f"{best.scores.cases} test cases do not settle whether {name} is {enough} on {metric}",
    }[best.decision]
    if best.decision == "not enough evidence" and not any(rule.name.startswith(DUELS) for rule in said):
        outcome = f"{name} is {enough} on {metric}, and {best.scores.cases} test cases do not settle all else"
    unmet = [finding.rule for finding in best.findings if finding.rule.tier == "should" and not finding.rule.passed]
    if best.decision == "keep":  # what is ruled out need not pay
        unmet = []
    return [
        f"{outcome}.",
        *(f"{_named(rule)}: {rule.figure}." for rule in said),
        *_still_needed(best),
        *(f"{_unmet(rule)}, {rule.name}: {rule.figure}" for rule in unmet),
    ]


def _named(rule: Rule) -> str:
    """A rule's name as a sentence begins; what is not so is not said to be so."""
    said = {rules.BEATS: "does not beat", rules.NOT_WORSE: "is not shown to be as good as"}
    for duel, unmet in said.items():
        if rule.name.startswith(duel) and rule.passed is False:
            return f"{unmet} {rule.name.removeprefix(duel).strip()}"
    return rule.name


def _still_needed(best: Judged) -> list[str]:
    needed = best.cases_needed
    if best.decision != "not enough evidence" or needed is None:
        return []
    names = ", ".join(finding.rule.name for finding in best.settled_by_cases)
    groups = f" ({math.ceil(needed * best.groups_a_case):,} groups)" if best.groups_a_case else ""
    if needed <= best.scores.cases:  # a judge reads no more of the test cases than it is let
        return [f"About {needed} judged cases{groups} would settle it: raise `evaluation.judge.max_cases` ({names})."]
    more = f"{needed - best.scores.cases} more than there are"
    about = f"About {needed} test cases{groups} in all would settle it"
    return [f"{about}, {more}, if the figures stay what they are ({names})."]


def _chosen(judged: Sequence[Judged], gates: Gates) -> list[str]:
    """Where several could be promoted: that they were chosen among on the test set, and what covers that."""
    number = sum(one.decision == "promote" for one in judged)
    if number < 2:
        return []
    within = f"the cheapest within {100 * gates.minimum_effect:g} points of the best"
    won = not any(finding.rule.name.startswith(rules.NOT_WORSE) for finding in judged[0].findings)
    covered = "Holm's adjustment covers that choice; its" if won else "Its"
    return [
        f"{number} candidates could be promoted; {judged[0].candidate.name} was chosen among them on these very cases, "
        f"as {within}. {covered} own score may look a little better than it is."
    ]


def _unmet(rule: Rule) -> str:
    return "Should hold and is unknown" if rule.passed is None else "Should hold and does not"


def _in_short(judged: Judged, best: Judged) -> str:
    name, score = judged.candidate.name, judged.scores.metric.value
    if judged.decision == "promote":
        dearer = "; it costs more, and gains less than the minimum effect" if score > best.scores.metric.value else ""
        return f"{name} would have been promoted too, with {score:.3f}{dearer}."
    rule = judged.broken[0].rule
    return f"{name} ({score:.3f}), {judged.decision}: {_named(rule)}, {rule.figure}."
