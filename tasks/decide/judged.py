"""How far a judge may be believed: beside people, and whether it prefers what stands first."""

from data_contracts.contest import CandidateScores, Comparison, Rule
from data_contracts.evidence import Agreement, JudgedPair
from data_contracts.gates import Gates, Tier
from tasks.decide.rules import Finding, tier, wanted

AGREEMENT, BIAS = "judge agreement", "position bias"
SUBSTANTIAL = 0.6  # kappa above which Landis and Koch (1977) call agreement substantial


def judge_rules(challenger: CandidateScores, comparison: Comparison, gates: Gates) -> list[Finding]:
    """Where a judge read answers, or where `gates.tiers` asks for it. A judge that decides should agree with people."""
    report = comparison.judge
    usual: Tier = "should" if comparison.metric == "judge" else "info"
    pairs = [pair for pair in report.pairs if pair.candidate == challenger.candidate.name] if report else []
    findings = [
        _agreement(report.human if report else None, tier(AGREEMENT, gates, usual)),
        _bias(pairs, tier(BIAS, gates)),
    ]
    return [found for found in findings if report or wanted(found.rule.name, gates)]


def _agreement(human: Agreement | None, weight: Tier) -> Finding:
    if human is None:
        figure = "not measured: no pairs that people judged (`evaluation.judge.human_labels`)"
        return Finding(Rule(name=AGREEMENT, tier=weight, passed=None, figure=figure))
    figure = (
        f"kappa {human.kappa:.2f} with people, the same verdict on {human.share:.0%} of {human.cases} pairs; "
        f"wanted: {SUBSTANTIAL:g} or more"
    )
    return Finding(Rule(name=AGREEMENT, tier=weight, passed=human.kappa >= SUBSTANTIAL, figure=figure))


def _bias(pairs: list[JudgedPair], weight: Tier) -> Finding:
    if not pairs:
        return Finding(Rule(name=BIAS, tier=weight, passed=None, figure="not measured: no pair was judged"))
    figure = ", ".join(
        f"{pair.first_position.value:.2f} ({pair.first_position.low:.2f} to {pair.first_position.high:.2f}) of the "
        f"decided readings against {pair.reference} took what stood first"
        for pair in pairs
    )
    passed = all(pair.first_position.low <= 0.5 <= pair.first_position.high for pair in pairs)
    return Finding(Rule(name=BIAS, tier=weight, passed=passed, figure=f"{figure}; 0.50 is no bias"))
