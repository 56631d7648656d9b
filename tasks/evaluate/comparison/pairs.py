"""Candidates tested in pairs, each with what it won, what that proves, and what it could have proved."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from data_contracts.candidate import Candidate
from data_contracts.contest import PairedTest
from tasks.evaluate.comparison import statistics
from tasks.evaluate.comparison.clusters import Clusters, Figures, Sampling
from tasks.evaluate.comparison.measure import Measure, overall


@dataclass(frozen=True)
class Duel:
    """A candidate against another on the cases that both were measured on. `measure` has two rows, theirs."""

    candidate: str
    reference: str
    measure: Measure
    clusters: Clusters
    resampled: Figures  # two rows x resamples


def opponents(candidates: Sequence[Candidate], reference: str, best_prompt: str) -> Iterator[tuple[int, int]]:
    """Positions: every candidate against the reference, then every tune against the best prompt."""
    positions = {candidate.name: position for position, candidate in enumerate(candidates)}
    others = [candidate for candidate in candidates if candidate.name != reference]
    yield from ((positions[candidate.name], positions[reference]) for candidate in others)
    if best_prompt in positions and best_prompt != reference:
        tunes = [candidate.name for candidate in others if candidate.kind == "tune"]
        yield from ((positions[tune], positions[best_prompt]) for tune in tunes if tune != best_prompt)


def paired_tests(duels: Sequence[Duel], alpha: float, minimum_effect: float, sampling: Sampling) -> list[PairedTest]:
    """One a duel, p-values adjusted over all of them by Holm.

    Cases needed and achieved power are those at Holm's strictest step, which a trial has to count on. The power is
    that of the test alone: to be promoted, a difference has to be as large as `minimum_effect` besides.
    """
    proofs = [statistics.p_value(duel.measure, duel.clusters, sampling) for duel in duels]
    adjusted = statistics.holm([p for p, _ in proofs])
    level = alpha / max(1, len(duels))
    return [
        PairedTest.model_validate(
            _won(duel) | _shown(duel, level, minimum_effect) | {"p_value": p, "p_adjusted": p_adjusted, "test": test}
        )
        for duel, (p, test), p_adjusted in zip(duels, proofs, adjusted, strict=True)
    ]


def _won(duel: Duel) -> dict[str, object]:
    mine, other = duel.measure.per_case
    wins, losses = int((mine > other).sum()), int((mine < other).sum())
    return {
        "candidate": duel.candidate,
        "reference": duel.reference,
        "wins": wins,
        "losses": losses,
        "discordance": (wins + losses) / len(mine),
        "clusters": None if duel.clusters.single else duel.clusters.count,
    }


def _shown(duel: Duel, level: float, minimum_effect: float) -> dict[str, object]:
    mine, other = overall(duel.measure)
    spread = statistics.variance(duel.measure, duel.clusters, duel.resampled)
    return {
        "difference": statistics.interval(mine - other, duel.resampled[0] - duel.resampled[1]),
        "cases_needed": statistics.cases_needed(duel.measure, duel.clusters, spread, level),
        "power": statistics.achieved_power(minimum_effect, duel.measure, spread, level),
    }
