"""What the endpoint saw, whatever a contender says of itself."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

ANSWERED, BUSY = "200", "429"
RESET, ABANDONED = "reset", "abandoned"  # by the endpoint, and by a client that left before its answer


@dataclass
class Counts:
    """Of one run. Times are seconds of the endpoint's clock; a latency runs from the whole request to its answer."""

    by_status: dict[str, int] = field(default_factory=Counter)
    requests_by_case: dict[int, int] = field(default_factory=Counter)
    answers_by_case: dict[int, int] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)  # of answers
    first: float = math.inf  # request
    last: float = math.inf  # answer
    in_flight: int = 0
    most_in_flight: int = 0
    elsewhere: list[str] = field(default_factory=list)  # requests for other hosts, which they did not reach
    cpu_s: float = 0.0  # of the endpoint itself

    def came(self, case: int, now: float) -> None:
        """A request."""
        self.first = min(self.first, now)
        self.requests_by_case[case] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def ended(self, case: int, status: str, latency_s: float, now: float) -> None:
        """What became of it."""
        self.in_flight -= 1
        self.by_status[status] += 1
        if status == ANSWERED:
            self.answers_by_case[case] += 1
            self.latencies_ms.append(1000 * latency_s)
            self.last = now

    @property
    def requests(self) -> int:
        """All of them."""
        return sum(self.requests_by_case.values())

    @property
    def wasted(self) -> float:
        """Share of the requests that a 429 refused."""
        return self.by_status.get(BUSY, 0) / max(1, self.requests)

    @property
    def paid_twice(self) -> int:
        """Answers that were delivered for cases which had one already."""
        return sum(answers - 1 for answers in self.answers_by_case.values() if answers)

    def only_these_count_twice(self, delivered: set[int]) -> None:
        """A killed process's sockets stay open for a moment: what was sent into them then, nobody received."""
        for case in self.answers_by_case.keys() - delivered:
            self.answers_by_case[case] = 1

    @property
    def span_s(self) -> float:
        """From the first request to the last answer; infinite where nothing was answered."""
        return self.last - self.first if self.latencies_ms else math.inf

    def json(self) -> bytes:
        """For `/stats`."""
        return json.dumps(vars(self)).encode()

    @classmethod
    def read(cls, text: bytes) -> Self:
        """What `/stats` said."""
        document = json.loads(text)
        for name in ("requests_by_case", "answers_by_case"):
            document[name] = Counter({int(case): count for case, count in document[name].items()})
        return cls(**document | {"by_status": Counter(document["by_status"])})


def quantile(values: Sequence[float], share: float) -> float:
    """The least value that so large a share does not exceed; not a number where there are none."""
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else math.nan
