"""The cases that every contender answers: messages to be sorted into queues. The endpoint knows the right queue."""

import json
from dataclasses import dataclass
from pathlib import Path

QUEUES = ("refund", "delivery", "invoice", "account", "outage", "complaint", "order", "other")
SYSTEM = f"Sort the customer's message into one of these queues: {', '.join(QUEUES)}. Answer with the queue alone."
MODEL = "bench-model"


@dataclass(frozen=True)
class Case:
    """One message. `number` stands in its text, so that the endpoint counts by it."""

    number: int

    @property
    def name(self) -> str:
        """As it stands in the text."""
        return f"case-{self.number}"

    @property
    def text(self) -> str:
        """What the customer wrote."""
        return f"[{self.name}] I have written twice about this and nobody has come back to me. Please look into it."

    @property
    def expected(self) -> str:
        """The right queue."""
        return QUEUES[self.number % len(QUEUES)]

    @property
    def body(self) -> bytes:
        """The request."""
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": self.text}]
        return json.dumps({"model": MODEL, "messages": messages, "temperature": 0, "max_tokens": 8}).encode()


@dataclass(frozen=True)
class Job:
    """What a contender is told."""

    base_url: str
    cases: int
    concurrency: int

    @property
    def asked(self) -> list[Case]:
        """Case by case."""
        return [Case(number) for number in range(self.cases)]

    @property
    def url(self) -> str:
        """Of chat completions."""
        return f"{self.base_url}/chat/completions"


@dataclass(frozen=True)
class Said:
    """What a contender says that came back, and how long it says that this took."""

    number: int
    output: str
    latency_ms: float


def write_job(folder: Path, job: Job) -> None:
    """For the contender's process."""
    folder.joinpath("job.json").write_text(json.dumps(vars(job)))


def read_job(folder: Path) -> Job:
    """In the contender's process."""
    return Job(**json.loads(folder.joinpath("job.json").read_text()))


def write_said(folder: Path, said: list[Said]) -> None:
    """One line each."""
    folder.joinpath("said.jsonl").write_text("".join(f"{json.dumps(vars(one))}\n" for one in said))


def read_said(folder: Path) -> list[Said]:
    """Nothing where the contender did not get so far."""
    path = folder / "said.jsonl"
    return [Said(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []
