"""Requests handed in by the file, answered within a day and at a lower price: the optional part of a provider."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from data_contracts.money import Price
from tasks.clock import Clock
from tasks.errors import ConfigurationError
from tasks.providers.protocol import Provider, RawAnswer


@dataclass(frozen=True)
class Batch:
    """A batch as every provider's is normalised. What has `ended` can be read, even where it was cut short."""

    id: str
    state: Literal["running", "ended", "failed"]
    raw_state: str
    total: int = 0
    settled: int = 0  # answered or refused
    expires_at: float | None = None
    files: tuple[str, ...] = ()  # with answers, with refusals
    input_file: str = ""
    error_code: str = ""
    error_message: str = ""


@dataclass(frozen=True)
class BatchedRequest:
    """One request, by a name that is unique in its batch; `body` is the JSON of a chat completion."""

    name: str
    body: bytes


class Batches(Protocol):
    """The batches of one account. Errors are those of a Provider; whoever waits does so by `clock`."""

    clock: Clock
    most_requests: int
    most_bytes: int
    takes_tunes: bool  # false: tuned models do not answer in batches

    def find(self, key: str) -> Batch | None:
        """The batch that carries the key, unless it failed or was read and discarded.

        Raises ProviderUnavailableError where the listing does not prove that there is none.
        """

    def create(self, key: str, requests: Sequence[BatchedRequest]) -> Batch:
        """Hand them in, once. Raises AmbiguousAnswerError where they may have been accepted: look first."""

    def batch(self, batch_id: str) -> Batch:
        """Its present state."""

    def answers(self, batch: Batch) -> Iterator[tuple[str, RawAnswer]]:
        """What came of each request that was got to, by its name, in no order."""

    def discard(self, batch: Batch) -> None:
        """Delete its files at the provider: what they hold is stored here. Nobody finds it any more."""

    def price(self, live: Price) -> Price:
        """What the same answers cost in a batch."""


@runtime_checkable
class Batching(Protocol):
    """A provider that has them."""

    def batches(self) -> Batches:
        """Requests by the file."""


def batches_of(provider: Provider) -> Batches:
    """The provider's batches. Raises ConfigurationError where it has none."""
    if isinstance(provider, Batching) and provider.capabilities.batches:
        return provider.batches()
    raise without_batches(provider.name)


def without_batches(name: str) -> ConfigurationError:
    """The error for a provider without them."""
    problem = f"asks for a batch API, and none of {name} is known here"
    return ConfigurationError("provider.batch", problem, "Set it to false: answers are then asked for one by one.")
