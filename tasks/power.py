"""How many paired cases show which difference: McNemar's test, two-sided, planned by Connor's formula (1987).

Cases on which two candidates agree say nothing, so the answer rests on the share on which they differ: unknown
before the trial, assumed here, and named wherever the figure is shown.
"""

import math
from statistics import NormalDist

POWER = 0.8
DISCORDANCE = 0.2  # share of cases that one candidate has right and the other wrong


def cases_needed(difference: float, discordance: float = DISCORDANCE, alpha: float = 0.05) -> int:
    """Cases that show a difference of 0..1 with power 0.8.

    n = (z(1-alpha/2) * sqrt(p) + z(0.8) * sqrt(p - d^2))^2 / d^2, p being the discordance (at least d).
    """
    share = max(discordance, abs(difference))
    significance, power = _quantiles(alpha)
    spread = significance * math.sqrt(share) + power * math.sqrt(share - difference**2)
    return math.ceil((spread / difference) ** 2 - 1e-9)


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


def _quantiles(alpha: float) -> tuple[float, float]:
    return NormalDist().inv_cdf(1 - alpha / 2), NormalDist().inv_cdf(POWER)
