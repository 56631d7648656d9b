"""How many paired cases show which difference: McNemar's test, two-sided, planned by Connor's formula (1987).

Cases on which two candidates agree say nothing, so the answer rests on the share on which they differ: unknown
before the trial, assumed here, and named wherever the figure is shown. The formula is a normal approximation: the exact
test has a few hundredths less power (`python -m tests.bench trials`).
"""

import math
from statistics import NormalDist

POWER = 0.8
DISCORDANCE = 0.2  # share of cases that one candidate has right and the other wrong


def assumption(discordance: float = DISCORDANCE) -> str:
    """What every figure planned here rests on, to stand behind it in brackets."""
    return f"power {POWER:g}, if candidates differ on {discordance:.0%} of cases"


def cases_needed(difference: float, discordance: float = DISCORDANCE, alpha: float = 0.05) -> int:
    """Cases that show a difference of 0..1 with power 0.8.

    n = (z(1-alpha/2) * sqrt(p) + z(0.8) * sqrt(p - d^2))^2 / d^2, p being the discordance (at least d); never so few
    that the exact test could not pass if every differing case were won.
    """
    share = max(discordance, abs(difference))
    significance, power = _quantiles(alpha)
    spread = significance * math.sqrt(share) + power * math.sqrt(share - difference**2)
    return math.ceil(max((spread / difference) ** 2, least_differing(alpha) / share) - 1e-9)


def least_differing(alpha: float) -> int:
    """Differing cases (or groups) of which the exact two-sided test can reach p below alpha: 2 * 0.5^k < alpha."""
    return math.floor(math.log2(2 / alpha) + 1e-9) + 1


def detectable_difference(cases: int, discordance: float = DISCORDANCE, alpha: float = 0.05) -> float:
    """Smallest difference (0..1) that so many cases show with power 0.8: `cases_needed`, solved for d.

    Beyond the assumed discordance the bound (z(1-alpha/2) + z(0.8))^2 / n is taken; 1 where nothing can be shown.
    """
    significance, power = _quantiles(alpha)
    spare = cases - significance**2 + power**2
    if spare >= 0:
        root = significance * math.sqrt(cases) + power * math.sqrt(spare)
        difference = math.sqrt(discordance) * root / (cases + power**2)
        if difference <= discordance:
            return difference
    return min(1.0, (significance + power) ** 2 / max(cases, 1))


def achieved(difference: float, cases: int, square: float, alpha: float) -> float:
    """Chance that so many cases show a difference of 0..1: `cases_needed`, solved for the power.

    `square` is the mean squared difference a case if the difference is there; for right or wrong, the discordance.
    """
    significance, _ = _quantiles(alpha)
    reach = abs(difference) * math.sqrt(cases) - significance * math.sqrt(square)
    spread = math.sqrt(max(0.0, square - difference**2))
    return NormalDist().cdf(reach / spread) if spread > 0 else float(reach > 0)


def _quantiles(alpha: float) -> tuple[float, float]:
    return NormalDist().inv_cdf(1 - alpha / 2), NormalDist().inv_cdf(POWER)
