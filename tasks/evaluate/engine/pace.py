"""How fast one endpoint may be asked. Arithmetic only: each method is told the time, in seconds of any steady clock."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from tasks.evaluate.engine.budget import Budget, Goodput

UNHURRIED = 4  # requests in flight at once before anything is known
OPENING_S = 0.2  # then ever more, all that are allowed after so long: a refusal is back sooner than an answer
OVERLOADED, SHARE = 3, 0.05  # so many different questions, and such a share of a round, meet a 503: no chance
OUTAGE = 10  # so many different questions failing, none answered in between: the provider is down, not the question
PROBE_S = 0.5  # first pause between probes of a provider that is down; it doubles
PROBE_CAP_S = 10.0


class Ticket(NamedTuple):
    """A request that went out: the how-manieth, when, and how many tokens it seems to have."""

    number: int
    at: float
    tokens: float


class Pace:
    """One pace for all calls: what slows one down slows down the others too.

    Where the server reports what is left, or refuses often enough to tell, its rate is kept. Otherwise a refusal (429)
    or an overload (several 503s in a round) halves what may be in flight, once a round, and every answer adds one up to
    half of what was too much, then one a round. Retry-After holds everybody up. While the provider is down, one probe
    at a time is let through.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._allowed = self._steep_until = float(most)
        self._opened_at = math.inf
        self._cut_at = self._closed_until = -math.inf
        self._failing: set[str] = set()
        self._overloads: dict[str, int] = {}  # by question: how many answers had come by then
        self._probes = self._sent = self._refusals = self._answers = 0
        remembered = 4 * most + 64
        self._requests, self._tokens = Budget(remembered), Budget(remembered, estimated=True)
        self._goodput, self._reported = Goodput(), False
        self.in_flight = 0

    @property
    def down(self) -> bool:
        """Whether the provider seems to be down for everybody."""
        return len(self._failing) >= max(2, min(OUTAGE, self._most))

    def wait(self, tokens: float, now: float) -> float:
        """Seconds until one more request may go out; infinite: not before an answer has come."""
        if self.in_flight >= (1 if self.down else int(self._allowed)):
            return math.inf
        return max(0.0, self._closed_until - now, self._opens_in(now), self._short_for(tokens, now))

    def sent(self, tokens: float, now: float) -> Ticket:
        """A request goes out."""
        self.in_flight += 1
        self._sent += 1
        self._opened_at = min(self._opened_at, now)
        self._requests.take(self._sent, 1, now)
        self._tokens.take(self._sent, tokens, now)
        return Ticket(self._sent, now, tokens)

    def learn(self, headers: Mapping[str, str], ticket: Ticket, taken: bool = True) -> None:
        """What the `x-ratelimit-*` headers say of the answer to a request that was `taken`, or refused."""
        number = ticket.number
        self._reported |= self._requests.learn(number, int(taken), *_told(headers, "requests"))
        self._tokens.learn(number, ticket.tokens if taken else 0, *_told(headers, "tokens"))

    def answered(self, now: float) -> None:
        """A request was answered: the provider is well."""
        self._failing.clear()
        self._answers += 1
        self._probes = 0
        step = 1 if self._allowed < self._steep_until else 1 / self._allowed
        self._allowed = min(self._most, self._allowed + step)
        if self._goodput.known and not self._reported:
            self._requests.let_through(self._goodput.rate(now), now)

    def hold(self, seconds: float, now: float) -> None:
        """Nobody asks for so long."""
        self._closed_until = max(self._closed_until, now + seconds)

    def refused(self, ticket: Ticket, now: float, headers: Mapping[str, str]) -> bool:
        """A 429. Where reports explain it (True) they are enough; else halve, until refusals tell the rate."""
        self._refusals += 1
        self.learn(headers, ticket, taken=False)
        explained = self._tokens.explains(ticket.tokens, now) or (self._reported and self._requests.explains(1, now))
        if explained or ticket.at < self._cut_at:
            return explained
        if not self._reported:
            self._goodput.refused(ticket.number - self._refusals, ticket.at)
        self._halve(now)
        if self._goodput.known:
            self._allowed = self._most
            self._requests.report(ticket.number, 0, self._goodput.rate(now), 0.0)
            self._requests.let_through(self._goodput.rate(now), now)
        return False

    def overloaded(self, question: str, ticket: Ticket, now: float, told: bool = False) -> None:
        """A 503. Halve where it has a Retry-After (`told`), or where it is one of several in as many answers as a
        round has; a lone one is an accident. A request that left before the last cut says nothing new.
        """
        if ticket.at < self._cut_at:
            return
        begun = self._answers - int(self._allowed)
        recent = {other: at for other, at in self._overloads.items() if at >= begun}
        self._overloads = recent | {question: self._answers}
        if told or len(self._overloads) >= max(OVERLOADED, int(SHARE * self._allowed)):
            self._halve(now)

    def failed(self, question: str, now: float) -> None:
        """A question failed for a reason that may pass. What was in flight when the outage came is no probe."""
        self._failing.add(question)
        if self.down and now >= self._closed_until:
            self.hold(min(PROBE_CAP_S, PROBE_S * 2**self._probes), now)
            self._probes += 1

    def _halve(self, now: float) -> None:
        room = min(self._allowed, UNHURRIED + self._most * (now - self._opened_at) / OPENING_S)
        self._allowed = self._steep_until = max(1.0, room / 2)
        self._cut_at = now
        self._overloads.clear()

    def _opens_in(self, now: float) -> float:
        """Seconds until one more may be in flight, at the start."""
        beyond = self.in_flight + 1 - UNHURRIED
        return self._opened_at + beyond * OPENING_S / self._most - now if beyond > 0 else 0.0

    def _short_for(self, tokens: float, now: float) -> float:
        """Seconds until the budgets have room for one more request."""
        return max(self._requests.wait(1, now), self._tokens.wait(tokens, now))


def _told(headers: Mapping[str, str], name: str) -> tuple[str | None, str | None]:
    return headers.get(f"x-ratelimit-limit-{name}"), headers.get(f"x-ratelimit-remaining-{name}")
