"""A ledger that an older release left in the middle of purchases resumes each of them, and buys nothing twice."""

import dataclasses
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tasks.finetune.submit import Order, intent_key, submit
from tasks.ledger import Ledger
from tests.fake_clock import FakeClock
from tests.finetune.scripted_provider import ScriptedProvider

OLDER = Path(__file__).parents[1] / "ledger" / "release_0_1_b.sql"


@pytest.fixture
def ledger(url: str, tmp_path: Path, clock: FakeClock) -> Ledger:
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        connection.executescript(OLDER.read_text())
    return Ledger(url, clock)


@pytest.fixture
def provider(clock: FakeClock, order: Order) -> ScriptedProvider:
    """As that release left it: files 1 to 6, the third purchase's job under way though its answer was lost."""
    provider = ScriptedProvider(clock)
    content = {
        name: Path(file.path).read_bytes() for name, file in (("", order.training), (".validation", order.validation))
    }
    for generation in (2, 3, 4):
        key = intent_key(generation_of(order, generation), provider)
        for part, name in enumerate(("", ".validation")):
            provider.files[f"file-{2 * generation - 3 + part}"] = (f"{key}{name}.jsonl", content[name])
    provider.add_job(intent_key(generation_of(order, 3), provider), "file-3")
    provider.add_job(intent_key(generation_of(order, 4), provider), "file-5")
    provider.calls["upload"] = 6
    return provider


def generation_of(order: Order, generation: int) -> Order:
    return dataclasses.replace(order, fine_tune=order.fine_tune.model_copy(update={"generation": generation}))


@pytest.mark.parametrize(
    ("generation", "job", "bought", "uploaded"),
    [(1, "job-3", 1, 2), (2, "job-3", 1, 0), (3, "job-1", 0, 0), (4, "job-2", 0, 0)],
    ids=["intent", "uploaded", "submitting", "submitted"],
)
def test_each_purchase_goes_on_from_its_state(
    order, provider, ledger, clock, generation: int, job: str, bought: int, uploaded: int
) -> None:
    submission = submit(generation_of(order, generation), provider, ledger, clock)
    assert submission.job_id == job
    assert (len(provider.requests), provider.calls["upload"] - 6) == (bought, uploaded)


def test_what_it_remembers_is_kept(ledger: Ledger) -> None:
    assert ledger.spent_in_run("run-4") == 2.5
    assert ledger.history("support") == {"w1": "test", "w2": "train"}
    assert [opening.test_set for opening in ledger.openings("support")] == [1]
