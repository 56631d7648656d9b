"""The same search by one process or by Dask's workers, with the same result to the byte.

Counting is a sum over parts of the rows. A judged row's result depends on itself, on the counts and on all of train
alone, so judged rows go to the workers in blocks, and each worker holds train once.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, Protocol

import pandas as pd
import pyarrow as pa

from data_contracts.data_policy import Leakage
from tasks.errors import ConfigurationError, ResumableError
from tasks.similarity.arrays import UInt32s
from tasks.similarity.pairs import best_pairs, candidates
from tasks.similarity.phrases import RowCounts
from tasks.similarity.texts import Texts

PART = 100_000  # rows counted at once
BLOCK = 20_000  # rows judged at once
PATIENCE_S = 30  # until a scheduler answers

Search = Callable[..., pd.DataFrame]  # (judged, trained, counts, policy) -> pairs with the column judged


class Machine(Protocol):
    """Who searches."""

    def counts(self, texts: Texts) -> RowCounts:
        """In how many rows each phrase stands."""

    def best_pairs(self, judged: Texts, trained: Texts, counts: RowCounts, policy: Leakage) -> pd.DataFrame:
        """As pairs.best_pairs."""

    def candidates(self, judged: Texts, trained: Texts, counts: RowCounts, policy: Leakage) -> pd.DataFrame:
        """As pairs.candidates."""


class OneProcess:
    """This one."""

    counts = staticmethod(RowCounts.of)
    best_pairs = staticmethod(best_pairs)
    candidates = staticmethod(candidates)


class Workers:
    """Those of a Dask client. They get words as hashes; no text leaves this process."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - distributed is an extra
        self._client = client
        self._sent: list[tuple[UInt32s, Any]] = []  # words, and where they are on the workers

    def counts(self, texts: Texts) -> RowCounts:
        """Counted by parts, then added up."""
        parts = self._map(_count, texts, PART)
        counts: RowCounts = self._client.submit(_added, parts, pure=False).result()
        return counts

    def best_pairs(self, judged: Texts, trained: Texts, counts: RowCounts, policy: Leakage) -> pd.DataFrame:
        """As pairs.best_pairs."""
        return self._search(best_pairs, judged, trained, counts=counts, policy=policy)

    def candidates(self, judged: Texts, trained: Texts, counts: RowCounts, policy: Leakage) -> pd.DataFrame:
        """As pairs.candidates."""
        return self._search(candidates, judged, trained, counts=counts, policy=policy)

    def _search(self, search: Search, judged: Texts, trained: Texts, **known: object) -> pd.DataFrame:
        """Judge block by block, and give the blocks their places back."""
        train = {"trained": _without_words(trained), **known}
        everywhere = self._client.scatter(train, broadcast=True, hash=False)
        everywhere |= {"search": search, "trained_words": self._words(trained)}
        found = self._client.gather(self._map(_judge, judged, BLOCK, **everywhere))
        starts = _starts(judged, BLOCK)
        placed = [block.assign(judged=block["judged"] + start) for start, block in zip(starts, found, strict=True)]
        return pd.concat(placed, ignore_index=True)

    def _map(self, work: Callable[..., object], texts: Texts, size: int, **known: object) -> list[Any]:
        blocks = [_without_words(texts.take(slice(start, start + size))) for start in _starts(texts, size)]
        rows, words = self._client.scatter(blocks, hash=False), self._words(texts)
        futures: list[Any] = self._client.map(work, rows, words=words, pure=False, **known)
        return futures

    def _words(self, texts: Texts) -> Any:  # noqa: ANN401 - a Dask future
        """The words of all rows on every worker: sent once, whatever rows of them are taken."""
        for words, there in self._sent:
            if words is texts.tokens:
                return there
        self._sent.append((texts.tokens, self._client.scatter(texts.tokens, broadcast=True, hash=False)))
        return self._sent[-1][1]


@contextmanager
def machines(workers: str | None) -> Iterator[Machine]:
    """This process, a number of local ones, or those behind a scheduler's address (`leakage.workers`)."""
    if workers is None:
        yield OneProcess()
        return
    distributed = _distributed()
    with ExitStack() as stack:
        try:
            client = stack.enter_context(_client(distributed, workers, stack))
        except OSError as error:
            problem = f"no Dask scheduler answers at {workers} ({type(error).__name__})"
            raise ConfigurationError("leakage.workers", problem, "Start one, or remove the setting.") from None
        try:
            yield Workers(client)
        except distributed.KilledWorker:
            remedy = "Give them more memory, or more workers fewer rows each; then run `tunegate resume RUN`."
            raise ResumableError("the leakage check", "Dask workers kept dying", remedy) from None


def _client(distributed: Any, workers: str, stack: ExitStack) -> Any:  # noqa: ANN401 - distributed is an extra
    if not workers.isdecimal():
        return distributed.Client(workers, timeout=PATIENCE_S, set_as_default=False)
    cluster = distributed.LocalCluster(
        n_workers=int(workers), threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    )
    return distributed.Client(stack.enter_context(cluster), set_as_default=False)


def _distributed() -> Any:  # noqa: ANN401 - distributed is an extra
    try:
        import distributed
    except ImportError:
        problem, remedy = "needs Dask, which is not installed", "Run `pip install 'tunegate[dask]'`."
        raise ConfigurationError("leakage.workers", problem, remedy) from None
    return distributed


def _count(rows: Texts, words: UInt32s) -> RowCounts:
    return RowCounts.of(replace(rows, tokens=words))


def _judge(
    rows: Texts, words: UInt32s, search: Search, trained: Texts, trained_words: UInt32s, **known: object
) -> pd.DataFrame:
    return search(replace(rows, tokens=words), replace(trained, tokens=trained_words), **known)


def _added(parts: list[RowCounts]) -> RowCounts:
    return sum(parts[1:], start=parts[0])


def _without_words(texts: Texts) -> Texts:
    """The rows alone: where each one's words begin, and how many they are."""
    return replace(texts, tokens=texts.tokens[:0], source=pa.chunked_array([], pa.large_string()))


def _starts(texts: Texts, size: int) -> range:
    return range(0, max(len(texts), 1), size)
