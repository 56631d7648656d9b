"""How fast one endpoint may be asked. Arithmetic only: each method is told the time, in seconds of any steady clock."""

import math
from collections.abc import Mapping

UNHURRIED = 16  # requests in flight before the first answer says more
OUTAGE = 10  # so many different questions failing, none answered in between: the provider is down, not the question
PROBE_S = 0.5  # first pause between probes of a provider that is down; it doubles
PROBE_CAP_S = 10.0


class Budget:
    """Requests or tokens a minute, as the server reports them. Unreported, they hold nobody up."""

    def __init__(self) -> None:
        self._per_s = self._left = self._full = self._at = 0.0

    def learn(self, limit: str | None, remaining: str | None, now: float) -> None:
        """Take over a report. Limits below 1 and negative rests are reports of nothing (some servers send -1 and 0)."""
        known, rest = _figure(limit), _figure(remaining)
        if known < 1 or rest < 0:
            return
        left = self._now(now) if self._per_s else rest
        self._per_s, self._full = known / 60, known
        self._left, self._at = min(left, rest), now

    def wait(self, amount: float, now: float) -> float:
        """Seconds until so much is there."""
        missing = min(amount, self._full) - self._now(now)
        return missing / self._per_s if self._per_s and missing > 0 else 0.0

    def take(self, amount: float, now: float) -> None:
        """Use it up; the rest may fall below zero."""
        if self._per_s:
            self._left, self._at = self._now(now) - amount, now

    def _now(self, now: float) -> float:
        return min(self._full, self._left + (now - self._at) * self._per_s)


class Pace:
    """One pace for all calls: what slows one down slows down the others too.

    In flight: one more with every answer up to half of what was too much, then one more a round; halved by a 429 or
    503, once a round. Retry-After holds everybody up. While the provider is down, one probe at a time is let through.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._allowed = float(min(UNHURRIED, most))
        self._steep_until = math.inf
        self._cut_at = -math.inf
        self._closed_until = -math.inf
        self._failing: set[str] = set()
        self._probes = 0
        self._requests, self._tokens = Budget(), Budget()
        self.in_flight = 0

    @property
    def down(self) -> bool:
        """Whether the provider seems to be down for everybody."""
        return len(self._failing) >= max(2, min(OUTAGE, self._most))

    def wait(self, tokens: float, now: float) -> float:
        """Seconds until one more request may go out; infinite: not before an answer has come."""
        if self.in_flight >= (1 if self.down else int(self._allowed)):
            return math.inf
        return max(0.0, self._closed_until - now, self._requests.wait(1, now), self._tokens.wait(tokens, now))

    def sent(self, tokens: float, now: float) -> None:
        """A request goes out."""
        self.in_flight += 1
        self._requests.take(1, now)
        self._tokens.take(tokens, now)

    def learn(self, headers: Mapping[str, str], now: float) -> None:
        """What an answer's `x-ratelimit-*` headers say."""
        for budget, name in ((self._requests, "requests"), (self._tokens, "tokens")):
            limit, rest = headers.get(f"x-ratelimit-limit-{name}"), headers.get(f"x-ratelimit-remaining-{name}")
            budget.learn(limit, rest, now)

    def answered(self) -> None:
        """A request was answered: the provider is well."""
        self._failing.clear()
        self._probes = 0
        step = 1 if self._allowed < self._steep_until else 1 / self._allowed
        self._allowed = min(self._most, self._allowed + step)

    def hold(self, seconds: float, now: float) -> None:
        """Nobody asks for so long."""
        self._closed_until = max(self._closed_until, now + seconds)

    def overloaded(self, sent_at: float, now: float) -> None:
        """A 429 or 503: halve, unless the request left before the last cut and so says nothing new."""
        if sent_at >= self._cut_at:
            self._cut_at = now
            self._allowed = self._steep_until = max(1.0, self._allowed / 2)

    def failed(self, question: str, now: float) -> None:
        """A question failed for a reason that may pass. What was in flight when the outage came is no probe."""
        self._failing.add(question)
        if self.down and now >= self._closed_until:
            self.hold(min(PROBE_CAP_S, PROBE_S * 2**self._probes), now)
            self._probes += 1


def _figure(text: str | None) -> float:
    try:
        number = float(text or "")
    except ValueError:
        return -1.0
    return number if math.isfinite(number) else -1.0
