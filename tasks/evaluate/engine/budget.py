"""How much a server still lets through: as its headers report it, or as its refusals show it. Arithmetic only."""

import math
from collections import deque
from typing import NamedTuple

JITTER_S = 0.01  # so much earlier than the last may a request arrive that left after it
SCARCE = 0.25  # of what a bucket holds, or of a second's worth
DOUBT = 0.1  # by so much may the estimate of all that is in flight be wrong
LEARNING, TRUST, RATIOS = 0.05, 4, (0.25, 20.0)
SPAN_S, ENOUGH = 10.0, 10  # a rate is found over so long, and on so many requests at least
CAUTION, LEAST = 0.02, 0.9  # a found rate is undercut by so much; a pace is cut to so much of itself at most
CURVE_S = 50.0  # after so long without a refusal the pace is twice the found rate


class _Sent(NamedTuple):
    number: int
    at: float
    amount: float


class Ratio:
    """What a server counts for one token that we estimate."""

    def __init__(self) -> None:
        self._counted = self._guessed = 0.0

    @property
    def value(self) -> float:
        """1 until something is known."""
        low, high = RATIOS
        return min(high, max(low, self._counted / self._guessed)) if self._guessed else 1.0

    def learn(self, counted: float, guessed: float) -> None:
        """One more observation; a few weigh as much as our own belief."""
        if not self._guessed:
            self._counted = self._guessed = TRUST * guessed
        self._counted += counted - LEARNING * self._counted
        self._guessed += guessed - LEARNING * self._guessed


class Budget:
    """A mirror of one of the server's buckets of requests or tokens a minute. Unreported, it holds nobody up.

    A report says what was left when its request came in; what was sent after that one is taken off again. So the
    mirror neither lags by the answers' latency nor adds up its own errors.
    """

    def __init__(self, remembered: int, estimated: bool = False) -> None:
        """Of so many requests at most. `estimated`: amounts are a guess, and reports tell what the server counts."""
        self._per_s = self._level = self._at = 0.0
        self._full: float | None = None  # None: no answer has shown yet how much it holds
        self._reported: tuple[float, float] | None = None  # when the last request left that reported, and its rest
        self._since: deque[_Sent] = deque(maxlen=remembered)
        self._ratio = Ratio() if estimated else None

    def wait(self, amount: float, now: float) -> float:
        """Seconds until so much is there, and as much again: what is in flight may cost more, or come late."""
        if not self._per_s:
            return 0.0
        in_flight = sum(one.amount for one in self._since) if self._ratio else 0.0
        needed = self._capped(self._cost(2 * amount + DOUBT * in_flight)) + JITTER_S * self._per_s
        return max(0.0, needed - self._now(now)) / self._per_s

    def explains(self, amount: float, now: float) -> bool:
        """Whether a refusal is no surprise: as far as reports tell, little is left."""
        scarce = SCARCE * (self._full or self._per_s)
        return self._per_s > 0 and (self._now(now) < scarce or self.wait(amount, now) > 0)

    def take(self, number: int, amount: float, now: float) -> None:
        """Use it up, by the request of that number; the rest may fall below zero."""
        self._since.append(_Sent(number, now, amount))
        self._use(amount, now)

    def learn(self, number: int, taken: float, limit: str | None, rest: str | None) -> bool:
        """What the answer to a request reports, if it does: a limit below 1 or a negative rest is no report.

        `taken` is the amount of that request, 0 if it was refused.
        """
        per_minute, left = _figure(limit), _figure(rest)
        reported = per_minute >= 1 and left >= 0
        if reported and taken:
            self._full = max(self._full or 0.0, left + self._cost(taken))
        if reported:
            self.report(number, taken, per_minute / 60, left)
        return reported

    def report(self, number: int, taken: float, per_s: float, left: float) -> None:
        """So much was left after that request. One older than the last report says nothing new."""
        before: list[_Sent] = []
        while self._since and self._since[0].number <= number:
            before.append(self._since.popleft())
        if not before:
            return
        self._per_s, at = per_s, before[-1].at
        self._weigh(sum(one.amount for one in before[:-1]) + taken, at, left)
        self._reported = self._at, self._level = at, left
        for later in self._since:
            self._use(later.amount, later.at)

    def let_through(self, per_s: float, now: float) -> None:
        """The rate is another from now on, and a second's worth may come at once."""
        self._level, self._at = self._now(now), now
        self._per_s, self._full = per_s, max(1.0, per_s)

    def _weigh(self, guessed: float, at: float, left: float) -> None:
        """Hold our guess against what went between two reports; a bucket that was full in between would hide some."""
        if self._ratio and self._reported and guessed:
            before, rest = self._reported
            refilled = rest + (at - before) * self._per_s
            if refilled == self._capped(refilled):
                self._ratio.learn(refilled - left, guessed)

    def _cost(self, amount: float) -> float:
        return amount * self._ratio.value if self._ratio else amount

    def _capped(self, amount: float) -> float:
        return amount if self._full is None else min(amount, self._full)

    def _use(self, amount: float, now: float) -> None:
        self._level, self._at = self._now(now) - self._cost(amount), now

    def _now(self, now: float) -> float:
        spare = JITTER_S * self._per_s
        return self._capped(self._level - spare + (now - self._at) * self._per_s) + spare


class Goodput:
    """The rate of a server that only refuses: what it took between two refusals, at both of which nothing was left."""

    def __init__(self) -> None:
        self._refusals: deque[tuple[float, int]] = deque()
        self._found = self._since = 0.0

    @property
    def known(self) -> bool:
        """Whether enough was taken between refusals to tell."""
        return self._found > 0

    def refused(self, taken: int, now: float) -> None:
        """Nothing was left after so many requests that were taken, in all.

        A bucket that was full in between took less than it could: the pace does not fall at once to what that shows.
        """
        self._refusals.append((now, taken))
        while len(self._refusals) > 1 and now - self._refusals[1][0] >= SPAN_S:
            self._refusals.popleft()
        at, before = self._refusals[0]
        if taken - before >= ENOUGH and now > at:
            self._found = max((taken - before) / (now - at), LEAST * self.rate(now))
            self._since = now

    def rate(self, now: float) -> float:
        """Requests a second: a little less than was found, and ever more while nothing is refused."""
        return self._found * (1 - CAUTION + ((now - self._since) / CURVE_S) ** 2)


def _figure(text: str | None) -> float:
    try:
        number = float(text or "")
    except ValueError:
        return -1.0
    return number if math.isfinite(number) else -1.0
