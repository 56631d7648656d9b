"""A model on a real socket that is as good as its instructions say, and another one that writes such instructions."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from data_contracts.money import Price
from tasks.ledger import Ledger
from tasks.providers.embedded import Embedded
from tasks.providers.protocol import AnswerEndpoint
from tasks.workspace import Edge, Workspace
from tests.evaluate.scripted_endpoint import Arrival, Scripted, completion, scripted_endpoint
from tests.small_use_case import WORDS, small_rows

WRITER = "writer"
TRUTH = {row["text"]: row["label"] for row in small_rows(400, seed=1)}
LABELS = sorted(WORDS)
Write = Callable[[str], Any]


class Planted(Embedded):
    """The embedded provider, but for answers, which a scripted endpoint gives, and what they cost."""

    scripted: Scripted
    prices: dict[str, float]

    def answer_endpoint(self) -> AnswerEndpoint:
        return self.scripted.endpoint()

    def price(self, model: str, tuned: bool) -> Price:
        rate = self.prices.get(model, 1.0)
        return Price(model=model, input=rate, output=rate, training=None, hosting=None, source="test", as_of="")


def system_of(body: dict[str, Any]) -> str:
    return "\n".join(message["content"] for message in body["messages"] if message["role"] == "system")


def question_of(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def gives(body: dict[str, Any]) -> str:
    """The right label as often as the last "quality N" of the instructions says, in percent; a wrong one otherwise."""
    text = question_of(body)
    qualities = re.findall(r"quality (\d+)", system_of(body)) or ["30"]
    luck = int(hashlib.sha256(text.encode()).hexdigest(), 16) % 100
    right = TRUTH[text]
    return right if luck < int(qualities[-1]) else LABELS[(LABELS.index(right) + 1) % len(LABELS)]


@contextmanager
def planted(space: Workspace, home: Path, write: Write, prices: dict[str, float] | None = None) -> Iterator[Edge]:
    """An edge whose answers are planted; what the writer says is `write` of what it is told."""

    async def answer(arrival: Arrival) -> Any:
        if arrival.body["model"] != WRITER:
            return completion(gives(arrival.body))
        told = write(question_of(arrival.body))
        return completion(told) if isinstance(told, str) else told

    with scripted_endpoint(answer) as scripted:
        provider = Planted(space.case.use_case.provider, home / "provider")
        provider.scripted, provider.prices = scripted, prices or {}
        yield Edge(provider, Ledger())


def asked(edge: Edge) -> list[dict[str, Any]]:
    """The bodies that reached the model, the writer's left out."""
    return [one.body for one in _arrivals(edge) if one.body["model"] != WRITER]


def told_to_write(edge: Edge) -> list[str]:
    """What the writer was shown."""
    return [question_of(one.body) for one in _arrivals(edge) if one.body["model"] == WRITER]


def _arrivals(edge: Edge) -> list[Arrival]:
    provider = edge.provider
    assert isinstance(provider, Planted)
    return provider.scripted.arrivals


def write_prompts(folder: Path, **qualities: int) -> None:
    """Prompt files beside those that are there, each as good as is said."""
    for name, quality in qualities.items():
        prompt = {"name": name, "role": f"You sort notes at quality {quality}.", "output_format": "The topic only."}
        (folder / f"{name}.yaml").write_text(json.dumps(prompt))
