"""How the local endpoint behaves: how long an answer takes, how many are permitted, and what goes wrong."""

import math
import random
from dataclasses import dataclass

SEED = 20_261_122
TABLE = 10_000  # cases with a latency of their own; further ones begin again


@dataclass(frozen=True)
class Behaviour:
    """What is the same for every contender. `sigma` is that of the latency's logarithm; 0: all take `latency_s`."""

    latency_s: float = 0.2  # the median
    sigma: float = 0.0
    per_minute: int = 0  # requests permitted; 0: any number
    burst: int = 0  # of them at once
    errors: float = 0.0  # share of the requests that end in a 500, a 503 or a connection reset
    outage_from_s: float = 0.0  # after the first request
    outage_s: float = 0.0
    seed: int = SEED

    def latencies(self, cases: int = TABLE) -> list[float]:
        """Seconds that each case takes, however often it is asked and whoever asks."""
        draw = random.Random(self.seed)
        return [self.latency_s * math.exp(self.sigma * draw.gauss(0, 1)) for _ in range(cases)]

    def least_s(self, cases: int, concurrency: int) -> float:
        """Cases x mean latency / concurrency; where a rate is permitted, no less than that rate takes."""
        latencies = self.latencies(cases)
        rationed = 60 * (cases - self.burst) / self.per_minute + latencies[-1] if self.per_minute else 0.0
        return max(sum(latencies) / concurrency, rationed)

    def is_out(self, since_first_s: float) -> bool:
        """Whether nothing is answered now."""
        return 0 <= since_first_s - self.outage_from_s < self.outage_s


class Bucket:
    """A token bucket, as providers ration requests: a minute's limit is enforced over shorter spans, so `burst` is
    small ("Rate limits can be quantized", OpenAI, Rate limits guide, November 2026)."""

    def __init__(self, behaviour: Behaviour, now: float) -> None:
        self._limit, self._burst = behaviour.per_minute, float(behaviour.burst)
        self._left, self._at = self._burst, now

    def take(self, now: float) -> bool:
        """Use one up, if one is there."""
        if not self._limit:
            return True
        self._left, self._at = min(self._burst, self._left + (now - self._at) * self._limit / 60), now
        permitted = self._left >= 1
        self._left -= permitted
        return permitted

    @property
    def wait_s(self) -> float:
        """Until there is one more, as of the last request."""
        return max(0.0, 1 - self._left) * 60 / self._limit

    def headers(self) -> dict[str, str]:
        """What is permitted, what is left of it, and when it is whole again."""
        if not self._limit:
            return {}
        return {
            "x-ratelimit-limit-requests": str(self._limit),
            "x-ratelimit-remaining-requests": str(int(self._left)),
            "x-ratelimit-reset-requests": _duration((self._burst - self._left) * 60 / self._limit),
        }

    def refusal(self) -> dict[str, str]:
        """The same of a 429: whole seconds and, as the larger providers add, milliseconds."""
        wait_ms = math.ceil(1000 * self.wait_s)
        return self.headers() | {"retry-after": str(math.ceil(wait_ms / 1000)), "retry-after-ms": str(wait_ms)}


def _duration(seconds: float) -> str:
    return f"{math.ceil(1000 * seconds)}ms" if seconds < 1 else f"{seconds:.3f}s"
