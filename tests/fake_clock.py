"""A clock that tests move: sleeping takes no time and is written down."""


class FakeClock:
    """Wall and monotonic time that advance only by `sleep` and `advance`."""

    def __init__(self, start: float = 1_000_000.0) -> None:
        self.start = start
        self.elapsed = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.start + self.elapsed

    def monotonic(self) -> float:
        return self.elapsed

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0, "nobody sleeps backwards"
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self.elapsed += seconds
