"""The search on Dask's workers: the same bytes as in one process."""

import io
import sys
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from data_contracts.data_policy import Leakage
from tasks.errors import ConfigurationError
from tasks.similarity import spread
from tasks.similarity.phrases import RowCounts
from tasks.similarity.spread import OneProcess, machines
from tasks.similarity.texts import Texts
from tests.partition.leaky import SPARE, planted, unrelated_texts

POLICY = Leakage()
ROWS, TRAINED = 5_000, 4_000


@pytest.fixture(scope="module")
def texts() -> Texts:
    """Five thousand rows; the last thousand are copies, edits, excerpts, numbered ones, and ones hardly like any."""
    base = unrelated_texts(TRAINED, seed=2, words=30)
    greeted = [f"good morning dear team {text}" for text in base]
    alike = [_alike(text, number) for number, text in enumerate(base[: ROWS - TRAINED])]
    return Texts.of([*greeted, *alike])


def _alike(text: str, number: int) -> str:
    words = text.split()
    other = " ".join([*words[:5], *(word[::-1] for word in words[5:])])
    return [text, " ".join([*words[:-1], "indeed"]), " ".join(words[5:20]), f"{text} {number}", other][number % 5]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A scheduler with two worker processes."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster.scheduler_address


def as_bytes(frame: pd.DataFrame) -> bytes:
    target = io.BytesIO()
    frame.to_parquet(target)
    return target.getvalue()


@pytest.mark.parametrize("search", ["best_pairs", "candidates"])
def test_two_workers_find_what_one_process_finds_to_the_byte(
    search: str, texts: Texts, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spread, "PART", 700)
    monkeypatch.setattr(spread, "BLOCK", 190)
    trained, judged = texts.take(range(TRAINED)), texts.take(range(TRAINED, ROWS))
    expected = getattr(OneProcess(), search)(judged, trained, RowCounts.of(texts), POLICY)
    with machines(address) as workers:
        counts = workers.counts(texts)
        found = getattr(workers, search)(judged, trained, counts, POLICY)
    assert len(expected) > 100
    assert (counts.rows, counts.counts.tobytes()) == (ROWS, RowCounts.of(texts).counts.tobytes())
    assert as_bytes(found) == as_bytes(expected)


def test_the_leakage_check_finds_and_withholds_the_same_on_workers(address: str) -> None:
    copies = [SPARE[0], SPARE[0] + " indeed", SPARE[1] + " 5", SPARE[2]]
    data = planted(copies, [SPARE[0], SPARE[1] + " 6"], group={"train": {3: "ann"}, "test": {4: "ann"}})
    alone, spread_out = Leakage(on_leak="withhold"), Leakage(on_leak="withhold", workers=address)
    pd.testing.assert_frame_equal(data.find(spread_out).pairs, data.find(alone).pairs)
    assert data.find(spread_out).report == data.find(alone).report
    withheld = [data.check(policy).partitions.withheld for policy in (alone, spread_out)]
    pd.testing.assert_frame_equal(*withheld)
    assert len(withheld[0]) == 4


def test_a_number_starts_as_many_local_processes(texts: Texts) -> None:
    pytest.importorskip("distributed")
    few = texts.take(range(200))
    with machines("1") as workers:
        assert workers.counts(few).counts.tobytes() == RowCounts.of(few).counts.tobytes()


def test_no_text_leaves_this_process(texts: Texts) -> None:
    class Client:
        def __init__(self) -> None:
            self.sent: list[Any] = []

        def scatter(self, what: Any, **how: object) -> Any:
            self.sent.append(what)
            return what

        def map(self, *what: object, **how: object) -> list[Any]:
            self.sent += [*what, *how.values()]
            return []

        def submit(self, *what: object, **how: object) -> Any:
            return self

        def result(self) -> None:
            return None

    client = Client()
    spread.Workers(client).counts(texts)
    blocks = [rows for sent in client.sent if isinstance(sent, list) for rows in sent]
    assert len(blocks) > 0
    assert all(len(rows.source) == 0 for rows in blocks)


def test_an_address_where_nobody_answers_is_a_mistake_in_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(spread, "PATIENCE_S", 1)
    with (
        pytest.raises(ConfigurationError, match=r"leakage\.workers: no Dask scheduler answers"),
        machines("tcp://127.0.0.1:9"),
    ):
        pass


def test_without_dask_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'tunegate\[dask\]'"), machines("2"):
        pass


def test_without_the_setting_nothing_is_spread() -> None:
    with machines(None) as machine:
        assert isinstance(machine, OneProcess)
