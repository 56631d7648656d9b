"""Request and token limits a minute, as buckets that refill steadily, with the headers that report them."""

import math
import time
from dataclasses import dataclass, field
from functools import lru_cache

from tasks.providers.local.errors import rate_limited
from tasks.providers.local.settings import Limits

_MODELS = 256


@dataclass
class Bucket:
    """Holds at most `capacity`, refilled by `rate` a second."""

    per_minute: float
    capacity: float
    level: float = field(init=False)
    filled_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.level, self.filled_at = self.capacity, time.monotonic()

    @property
    def rate(self) -> float:
        """Units a second."""
        return self.per_minute / 60

    def refill(self) -> None:
        """Bring the level up to now."""
        now = time.monotonic()
        self.level = min(self.capacity, self.level + (now - self.filled_at) * self.rate)
        self.filled_at = now

    def wait_for(self, amount: float) -> float:
        """Seconds until so much can be taken; more than the capacity counts as the capacity."""
        return max(0.0, min(amount, self.capacity) - self.level) / self.rate

    def headers(self, name: str) -> dict[str, str]:
        """The three headers of one limit."""
        return {
            f"x-ratelimit-limit-{name}": str(int(self.per_minute)),
            f"x-ratelimit-remaining-{name}": str(max(0, int(self.level))),
            f"x-ratelimit-reset-{name}": _duration((self.capacity - self.level) / self.rate),
        }


class RateLimits:
    """Two buckets a model; they start anew when the settings change, or once many other models were asked."""

    def __init__(self) -> None:
        self._buckets = lru_cache(maxsize=_MODELS)(lambda model, limits: _fresh(limits))

    def admit(self, model: str, tokens: int, limits: Limits) -> dict[str, str]:
        """Take one request and its tokens; the headers to answer with. Raises ApiError 429 with Retry-After."""
        buckets = self._buckets(model, limits)
        wanted = {"requests": 1.0, "tokens": float(tokens)}
        for bucket in buckets.values():
            bucket.refill()
        waits = {name: buckets[name].wait_for(amount) for name, amount in wanted.items()}
        tightest = max(waits, key=lambda name: waits[name])
        if waits[tightest] > 0:
            raise rate_limited(
                f"Rate limit reached for {model} on {tightest} per min: limit {int(buckets[tightest].per_minute)}. "
                f"Please try again in {_duration(waits[tightest])}.",
                {**_headers(buckets), **_retry_after(waits[tightest])},
            )
        for name, amount in wanted.items():
            buckets[name].level -= min(amount, buckets[name].capacity)
        return _headers(buckets)


def _fresh(limits: Limits) -> dict[str, Bucket]:
    per_minute = {"requests": limits.requests_per_minute, "tokens": limits.tokens_per_minute}
    return {name: Bucket(rate, max(1.0, rate * limits.burst_s / 60)) for name, rate in per_minute.items()}


def _headers(buckets: dict[str, Bucket]) -> dict[str, str]:
    return {name: value for kind, bucket in buckets.items() for name, value in bucket.headers(kind).items()}


def _retry_after(seconds: float) -> dict[str, str]:
    return {"retry-after": str(math.ceil(seconds)), "retry-after-ms": str(math.ceil(seconds * 1000))}


def _duration(seconds: float) -> str:
    """`12ms`, `1.5s` or `6m0s`."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}m{math.ceil(rest)}s" if minutes else f"{rest:.3g}s"
