"""Vectors of texts from an endpoint with OpenAI's POST /embeddings."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from data_contracts.data_policy import Semantic
from tasks.clock import Clock, SystemClock
from tasks.errors import CredentialsError, TunegateError
from tasks.providers.asking import Address, ask, client, retrying
from tasks.providers.base_url import checked, is_loopback
from tasks.providers.failure import Failure, read_error

CALL = "embedding texts"
MAX_TEXTS = 32  # a request; OpenAI takes 2,048, text-embeddings-inference 32 unless told otherwise
MAX_CHARACTERS = 6_000  # a text; embedding models read 512 to 8,192 tokens, and a CJK character is a token or more
CONNECTIONS = 4
TIMEOUT_S = 60.0

Vectors = npt.NDArray[np.float32]


class _Vector(BaseModel):
    index: int
    embedding: list[float]


class _Answer(BaseModel):
    data: list[_Vector]


class Embeddings:
    """One embedding model behind one base URL. Texts go there and nowhere else; none of them is logged."""

    def __init__(self, policy: Semantic, clock: Clock | None = None) -> None:
        """Raises ConfigurationError for the address, CredentialsError where a remote endpoint has no key."""
        base_url = checked(policy.base_url, "leakage.semantic.base_url", private=True)  # often a server of one's own
        self._policy, self._clock = policy, clock or SystemClock()
        self._client = client(Address(base_url, _key(policy, base_url), private=True), TIMEOUT_S)

    def of(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, a row for each text, of its first 6,000 characters.

        Raises CredentialsError, ProviderUnavailableError after patient retries, ProviderRefusedError.
        """
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            found = list(pool.map(self._embed, _batches(texts)))
        return np.concatenate(found) if found else np.zeros((0, 0), np.float32)

    def _embed(self, batch: Sequence[str]) -> Vectors:
        create = self._client.embeddings.with_raw_response.create
        send = partial(create, model=self._policy.model, input=list(batch), encoding_format="float")
        parse = partial(_vectors, texts=len(batch))
        return retrying(self._clock)(lambda: ask(CALL, send, parse, self._error))

    def _error(self, call: str, failure: Failure) -> TunegateError:
        error = read_error(call, failure)
        return _unwelcome(self._policy, error.cause) if isinstance(error, CredentialsError) else error


def _key(policy: Semantic, base_url: str) -> str:
    """An endpoint on this machine needs none."""
    key = os.environ.get(policy.api_key_env, "").strip()
    if not key and not is_loopback(base_url):
        raise _unwelcome(policy, f"{policy.api_key_env} is not set")
    return key or "none"


def _unwelcome(policy: Semantic, cause: str) -> CredentialsError:
    remedy = f"Set {policy.api_key_env} (leakage.semantic.api_key_env) to a key that may use {policy.model}."
    return CredentialsError(CALL, cause, remedy)


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(texts), MAX_TEXTS):
        yield [text[:MAX_CHARACTERS] for text in texts[start : start + MAX_TEXTS]]


def _vectors(content: bytes, texts: int) -> Vectors:
    """Rows in the order that was asked for; ValueError for an answer that is not one vector for each text."""
    data = sorted(_Answer.model_validate_json(content).data, key=lambda vector: vector.index)
    if [vector.index for vector in data] != list(range(texts)):
        raise ValueError("not one vector for each text")
    rows = np.array([vector.embedding for vector in data], dtype=np.float64)  # ValueError where lengths differ
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if rows.ndim != 2 or not np.isfinite(lengths).all():
        raise ValueError("no finite vectors")
    unit: Vectors = (rows / np.maximum(lengths, 1e-12)).astype(np.float32)
    return unit
