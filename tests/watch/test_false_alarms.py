"""How often a champion that does as in its trial would be moved back, where answers to one customer are alike."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from tasks.watch import intervals
from tests.watch.answers import check, production, reference
from tests.watch.test_drift import ended, worse

LOOKS, A_DAY, OF_A_GROUP, ALIKE = 14, 20, 10, 0.3  # the last: intraclass correlation
RIGHT, LIMIT, TIMES = 0.9, 0.05, 200


def answers(draw: np.random.Generator) -> npt.NDArray[np.float64]:
    """Right or wrong, group after group, with a beta-binomial's correlation."""
    weight = 1 / ALIKE - 1
    groups = draw.beta(RIGHT * weight, (1 - RIGHT) * weight, LOOKS * A_DAY // OF_A_GROUP)
    return (draw.random(LOOKS * A_DAY) < np.repeat(groups, OF_A_GROUP)).astype(np.float64)


def alarms(seed: int, groups: Sequence[int] | None) -> list[bool]:
    """Whether the limit is broken, look after look, one a day."""
    draw = np.random.default_rng(seed)
    before = intervals.share(int(draw.binomial(300, RIGHT)), 300)
    given = answers(draw)
    ends = range(2 * A_DAY, len(given) + 1, A_DAY)
    looks = [intervals.score(given[:end], None if groups is None else groups[:end]) for end in ends]
    return [intervals.difference(before, now).low > LIMIT for now in looks]


@pytest.mark.slow
def test_a_champion_that_is_as_good_as_in_its_trial_is_moved_back_in_less_than_5_of_100_windows() -> None:
    groups = [row // OF_A_GROUP for row in range(LOOKS * A_DAY)]
    moved_back = [any(map(all, pairwise(alarms(seed, groups)))) for seed in range(TIMES)]
    assert np.mean(moved_back) < 0.05
    assert np.mean([any(alarms(seed, None)) for seed in range(TIMES)]) > 0.05, "each answer for itself, and one look"


def test_one_customer_who_asks_much_breaks_no_limit_alone() -> None:
    bad, one = worse(400, 0.85), np.arange(400) < 80
    bad = bad.assign(score=np.where(one, 0.0, bad["score"]))
    assert check("quality", production(bad)).broken
    assert not check("quality", production(bad.assign(group=np.where(one, "one", bad["group"])))).broken


@pytest.mark.parametrize(
    ("outcome", "leads_to"), [("failed", "degrade"), ("rejected", "degrade"), ("refused", "roll back")]
)
def test_an_outage_is_not_the_versions_fault_and_what_the_model_declines_is(outcome: str, leads_to: str) -> None:
    found = check("failures", production(ended(400, outcome, 0.2)))
    assert (found.broken, found.leads_to) == (True, leads_to)


def test_one_bad_hour_is_chance_however_many_asked_in_it() -> None:
    failed = ended(400, "failed", 0.2)
    assert not check("failures", production(failed.assign(hour=np.arange(400) // 80))).broken
    labelled = check("quality", production(failed), reference())
    assert labelled.broken is False, "a request that nobody answered says nothing of the answers"
