"""A rate-limited server and a client that keeps its pace, both in arithmetic: minutes pass in milliseconds."""

import heapq
import itertools
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tasks.evaluate.engine.pace import Pace, Ticket

Tokens = tuple[float, float]  # of one request: as the client estimates them, and as the server counts them


@dataclass
class Bucket:
    """Filled at a rate, never beyond what it holds."""

    per_minute: float
    burst_s: float
    level: float = field(init=False)
    at: float = 0.0

    def __post_init__(self) -> None:
        self.level = self.holds

    @property
    def holds(self) -> float:
        return max(1.0, self.per_minute * self.burst_s / 60)

    def missing(self, amount: float, now: float) -> float:
        """Seconds until so much is there."""
        self.level, self.at = min(self.holds, self.level + (now - self.at) * self.per_minute / 60), now
        return max(0.0, (min(amount, self.holds) - self.level) * 60 / self.per_minute)


@dataclass(frozen=True)
class Server:
    """What it lets through, and how it says so."""

    requests_per_minute: float = 1500.0
    tokens_per_minute: float = 1e9
    burst_s: float = 1.0
    latency_s: float = 0.2
    spread: float = 0.0  # sigma of a lognormal latency
    reports: bool = True  # in x-ratelimit headers
    whole_seconds: bool = False  # of Retry-After


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    refused: int
    last_taken_at: float
    share: float  # of what the server would have taken until the last request was


def run(
    server: Server, cases: int, most: int, tokens: Callable[[random.Random], Tokens] = lambda _: (10, 10)
) -> Outcome:
    """Answer so many cases, each request on the way for up to 4 ms, each timer late by up to 1 ms."""
    return _Run(server, most).until_done([tokens(random.Random(number)) for number in range(cases)])


class _Run:
    def __init__(self, server: Server, most: int) -> None:
        self.server, self.pace = server, Pace(most)
        self.chance, self.number = random.Random(7), itertools.count()
        self.buckets = {
            "requests": Bucket(server.requests_per_minute, server.burst_s),
            "tokens": Bucket(server.tokens_per_minute, server.burst_s),
        }
        self.events: list[tuple[float, int, Callable[[float], None]]] = []
        self.waiting: list[Tokens] = []
        self.taken = {"requests": 0.0, "tokens": 0.0}
        self.refused, self.last_taken_at = 0, 0.0

    def until_done(self, requests: list[Tokens]) -> Outcome:
        self.waiting, now = requests, 0.0
        while self.waiting or self.events:
            pause = self.pace.wait(self.waiting[-1][0], now) if self.waiting else math.inf
            if pause <= 0:
                self._send(self.waiting.pop(), now)
            elif self.events and self.events[0][0] <= now + pause:
                now, _, happen = heapq.heappop(self.events)
                happen(now)
            else:
                now += pause + self.chance.uniform(0, 0.001)
        shares = [self.taken[name] / self._permitted(name) for name in self.buckets]
        return Outcome(self.refused, self.last_taken_at, max(shares))

    def _permitted(self, name: str) -> float:
        bucket = self.buckets[name]
        return bucket.holds + bucket.per_minute / 60 * self.last_taken_at

    def _send(self, tokens: Tokens, now: float) -> None:
        ticket = self.pace.sent(tokens[0], now)
        self._later(now + self.chance.uniform(0, 0.004), lambda at: self._arrive(ticket, tokens, at))

    def _arrive(self, ticket: Ticket, tokens: Tokens, now: float) -> None:
        amounts = {"requests": 1.0, "tokens": tokens[1]}
        missing = max(self.buckets[name].missing(amount, now) for name, amount in amounts.items())
        if missing:
            headers = dict(self._headers())
            self._later(now + 0.002, lambda at: self._refuse(ticket, tokens, headers | {"s": str(missing)}, at))
            return
        for name, amount in amounts.items():
            self.buckets[name].level -= amount
            self.taken[name] += amount
        self.last_taken_at, headers = now, dict(self._headers())
        latency = self.server.latency_s * math.exp(self.chance.gauss(0, self.server.spread))
        self._later(now + latency, lambda at: self._answer(ticket, headers, at))

    def _headers(self) -> Iterator[tuple[str, str]]:
        for name, bucket in self.buckets.items() if self.server.reports else ():
            yield f"x-ratelimit-limit-{name}", str(int(bucket.per_minute))
            yield f"x-ratelimit-remaining-{name}", str(max(0, int(bucket.level)))

    def _answer(self, ticket: Ticket, headers: dict[str, str], now: float) -> None:
        self.pace.in_flight -= 1
        self.pace.learn(headers, ticket)
        self.pace.answered(now)

    def _refuse(self, ticket: Ticket, tokens: Tokens, headers: dict[str, str], now: float) -> None:
        self.pace.in_flight -= 1
        self.refused += 1
        self.pace.refused(ticket, now, headers)
        unit = 1 if self.server.whole_seconds else 1000
        self.pace.hold(math.ceil(float(headers["s"]) * unit) / unit, now)
        self.waiting.append(tokens)

    def _later(self, at: float, happen: Callable[[float], None]) -> None:
        heapq.heappush(self.events, (at, next(self.number), happen))
