"""A trial that a watch, a monitor or another trial wants: asked for once, and again where the asking was lost."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client

from flows.trial import trial
from tasks import wanted_trials
from tasks.ledger import Ledger
from tests.fake_clock import FakeClock
from tests.flows.worker import await_that

OPTIONS = {"train": False, "reason": "its base retires"}


@pytest.fixture
def clock() -> FakeClock:
    import time

    return FakeClock(time.time())


@pytest.fixture
def client(prefect_api: str) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def name() -> str:
    """Of a use case of the test's own."""
    return f"wanted_{uuid4().hex[:8]}"


def payload(name: str) -> dict[str, Any]:
    return {"use_case": name, "options": OPTIONS, "why": "its base retires"}


def events(client: SyncPrefectClient, name: str) -> list[dict[str, Any]]:
    asked = {
        "filter": {"event": {"name": ["tunegate.trial.wanted"]}, "resource": {"id": [f"tunegate.use-case.{name}"]}}
    }
    found: list[dict[str, Any]] = client.request("POST", "/events/filter", json=asked).json()["events"]
    return found


def test_it_is_asked_for_once_a_key(ledger: Ledger, client: SyncPrefectClient, name: str) -> None:
    for key in ("first", "first", "second", "first"):
        wanted_trials.want(ledger, name, key, payload(name))
    await_that(lambda: len(events(client, name)) >= 2)
    assert len(events(client, name)) == 2


def test_where_no_run_came_of_it_it_is_asked_for_again_later_and_later(
    ledger: Ledger, client: SyncPrefectClient, clock: FakeClock, name: str
) -> None:
    wanted_trials.want(ledger, name, "lost", payload(name))
    again = []
    for _ in range(10):
        clock.advance(30)
        again.append(wanted_trials.ask_again(client, ledger) == [name])
    assert [number for number, asked in enumerate(again) if asked] == [1, 3, 7]


def test_a_run_with_its_options_ends_the_asking(
    ledger: Ledger, client: SyncPrefectClient, clock: FakeClock, name: str
) -> None:
    made: Any = trial.to_deployment(name=name)
    wanted_trials.want(ledger, name, "answered", payload(name))
    client.create_flow_run_from_deployment(made.apply(), parameters={"use_case": name, "options": OPTIONS})
    clock.advance(2 * wanted_trials.AGAIN_S)
    assert wanted_trials.ask_again(client, ledger) == []
    assert ledger.seen_of_all(wanted_trials.WANTED)[name]["open"] is False


def test_a_run_that_asks_something_else_does_not(
    ledger: Ledger, client: SyncPrefectClient, clock: FakeClock, name: str
) -> None:
    made: Any = trial.to_deployment(name=name)
    wanted_trials.want(ledger, name, "unanswered", payload(name))
    client.create_flow_run_from_deployment(made.apply(), parameters={"use_case": name, "options": {}})
    clock.advance(2 * wanted_trials.AGAIN_S)
    assert wanted_trials.ask_again(client, ledger) == [name]


def test_what_nobody_started_for_a_day_is_let_go(
    ledger: Ledger, client: SyncPrefectClient, clock: FakeClock, name: str
) -> None:
    wanted_trials.want(ledger, name, "ignored", payload(name))
    clock.advance(2 * wanted_trials.GIVE_UP_S)
    assert wanted_trials.ask_again(client, ledger) == []
