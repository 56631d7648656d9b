"""Money is set aside before it is spent: caps hold across runs side by side, kills, and answers that cost more."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from aiohttp import web

from data_contracts.money import Price
from data_contracts.use_case import Budget
from tasks.errors import BudgetError, CredentialsError
from tasks.evaluate.answer import Question, answer_all
from tasks.ledger import Ledger
from tasks.purse import BATCH, AnswerMoney, Purse, Tariff
from tests.evaluate.scripted_endpoint import Arrival, Script, Scripted, echo, refusal, scripted_endpoint
from tests.evaluate.test_answer import questions
from tests.fake_clock import FakeClock

DOLLAR = Price(model="m", input=0.0, output=500_000.0, source="table", as_of="2026-11-01")  # 2 tokens: 1 USD
UNKNOWN = Price(model="m", input=None, output=None, source="none", as_of="2026-11-01")
ANSWER_TOKENS = 2.0  # as many as the scripted endpoint says


def of_tokens(count: int) -> Script:
    """Answers of so many tokens."""

    async def script(arrival: Arrival) -> web.Response:
        choice = {"index": 0, "finish_reason": "stop", "message": {"content": "fine"}}
        return web.json_response({"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": count}})

    return script


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


def purse(ledger: Ledger, run: str = "run", per_run: float = 100.0, per_month: float = 100.0) -> Purse:
    return Purse(ledger, "case", run, Budget(per_run=per_run, per_month=per_month))


def ask(
    asked: Sequence[Question], money: Purse, server: Scripted, price: Price = DOLLAR, max_concurrency: int = 4
) -> None:
    tariff = Tariff({item.request: price for item in asked}, ANSWER_TOKENS)
    allowance = AnswerMoney(money, "final answers", tariff)
    answer_all(asked, {"": server.endpoint(max_concurrency)}, money.ledger, lambda done, of: None, allowance)


# ---------------------------------------------------------------- a purchase


def test_what_is_set_aside_for_a_purchase_counts_before_it_is_made(ledger: Ledger) -> None:
    purse(ledger, "one").set_aside("training a", "training", 60.0)
    with pytest.raises(BudgetError, match=r"This month.*120\.00 USD against a limit of 100\.00.*budget\.per_month"):
        purse(ledger, "another").set_aside("training b", "training", 60.0)
    assert ledger.spent("case", 0) == 60.0


def test_a_purchase_that_is_tried_again_counts_once(ledger: Ledger) -> None:
    for amount in (60.0, 70.0):
        purse(ledger).set_aside("training a", "training", amount)
    assert ledger.spent_in_run("run") == 70.0


def test_a_purchase_leaves_room_for_what_follows_it(ledger: Ledger) -> None:
    with pytest.raises(BudgetError, match="This run with what comes next"):
        purse(ledger, per_run=50.0).set_aside("training a", "training", 30.0, to_follow=25.0)
    assert ledger.spent_in_run("run") == 0
    purse(ledger, per_run=50.0).set_aside("training a", "training", 30.0, to_follow=20.0)


def test_a_month_begins_at_midnight_utc(tmp_path: Path) -> None:
    clock = FakeClock(dt.datetime(2026, 11, 30, 23, 59, tzinfo=dt.UTC).timestamp())
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock)
    purse(ledger, "november").set_aside("a", "training", 90.0)
    with pytest.raises(BudgetError, match="This month"):
        purse(ledger, "late").set_aside("b", "training", 20.0)
    clock.advance(61)
    purse(ledger, "december").set_aside("b", "training", 20.0)


def test_what_is_given_back_and_bought_later_counts_for_whoever_buys_it_then(tmp_path: Path) -> None:
    october = dt.datetime(2026, 10, 20, tzinfo=dt.UTC).timestamp()
    clock = FakeClock(october)
    ledger = Ledger(f"sqlite:///{tmp_path / 'months.db'}", clock)
    purse(ledger, "first", per_month=50).set_aside("training k", "training", 40)
    ledger.settle_spend("training k", 0)
    clock.advance(20 * 86_400)
    second = purse(ledger, "second", per_month=50)
    second.set_aside("training k", "training", 40)
    assert (ledger.spent_in_run("second"), ledger.spent_in_run("first")) == (40, 0)
    with pytest.raises(BudgetError, match=r"budget\.per_month"):
        second.set_aside("training other", "training", 40)


def test_of_eight_at_once_only_those_pass_for_whom_there_is_room(tmp_path: Path) -> None:
    def buy(number: int) -> bool:
        own = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
        try:
            purse(own, f"run {number}").set_aside(f"training {number}", "training", 30.0)
        except BudgetError:
            return False
        return True

    Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(buy, range(8))) == 3


# ---------------------------------------------------------------- answers


def test_answers_are_on_record_at_what_they_cost_and_nothing_else_is(ledger: Ledger) -> None:
    with scripted_endpoint() as server:
        ask(questions(30), purse(ledger), server)
    assert ledger.spent_by_kind("run") == {"final answers": 30.0, "reserved": 0.0}


def test_what_was_answered_is_on_record_while_the_others_are_still_asked(ledger: Ledger) -> None:
    asked, seen = questions(30), []
    allowance = AnswerMoney(
        purse(ledger), "final answers", Tariff({item.request: DOLLAR for item in asked}, ANSWER_TOKENS)
    )

    def look(done: int, of: int) -> None:
        seen.append((done, ledger.spent_by_kind("run").get("final answers", 0.0)))

    async def unhurried(arrival: Arrival) -> web.Response:
        await asyncio.sleep(0.1)
        return await echo(arrival)

    with scripted_endpoint(unhurried) as server:
        answer_all(asked, {"": server.endpoint(4)}, ledger, look, allowance)
    assert all(spent == done for done, spent in seen)
    assert len(seen) > 2


def test_answers_stop_at_the_cap_before_the_request_that_would_pass_it(ledger: Ledger) -> None:
    with scripted_endpoint() as server, pytest.raises(BudgetError, match=r"budget\.per_run") as stop:
        ask(questions(40), purse(ledger, per_run=10.0), server)
    assert len(server.arrivals) == 10
    assert ledger.spent_in_run("run") == 10.0
    assert stop.value.exit_code == 4
    assert "not paid for again" in str(stop.value)


def test_what_was_answered_before_the_cap_is_kept_and_asked_no_more(ledger: Ledger) -> None:
    with scripted_endpoint() as server:
        with pytest.raises(BudgetError):
            ask(questions(40), purse(ledger, per_run=10.0), server)
        ask(questions(40), purse(ledger, "another"), server)
    assert len(server.arrivals) == 40
    assert ledger.spent("case", 0) == 40.0


def test_runs_side_by_side_stay_under_the_month_together(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"

    def trial(name: str) -> bool:
        asked = questions(40, candidate=name)
        try:
            ask(asked, purse(Ledger(url), name, per_month=50.0), server)
        except BudgetError:
            return False
        return True

    Ledger(url)
    with scripted_endpoint() as server, ThreadPoolExecutor(2) as pool:
        done = list(pool.map(trial, ["one", "two"]))
    assert not all(done)
    assert len(server.arrivals) <= 50
    assert Ledger(url).spent("case", 0) == len(server.arrivals)


def test_answers_that_cost_less_than_expected_are_awaited_before_one_is_refused(ledger: Ledger) -> None:
    with scripted_endpoint(of_tokens(1)) as server:
        ask(questions(19), purse(ledger, per_run=10.0), server)
    assert ledger.spent_in_run("run") == 9.5


def test_answers_that_cost_more_than_expected_pass_the_cap_by_those_under_way_at_most(ledger: Ledger) -> None:
    at_once, too_much = 2 * 4, 5.0 - 1.0
    with scripted_endpoint(of_tokens(10)) as server, pytest.raises(BudgetError):
        ask(questions(40), purse(ledger, per_run=10.0), server)
    assert 10.0 < ledger.spent_in_run("run") <= 10.0 + at_once * too_much


def test_what_a_killed_run_had_under_way_counts_until_it_goes_on(ledger: Ledger) -> None:
    asked = questions(1)
    tariff = Tariff({asked[0].request: DOLLAR}, ANSWER_TOKENS)
    killed = AnswerMoney(purse(ledger), "final answers", tariff)
    held = killed._purse.stretch(killed._key, 0.0, (1.0, 4.0))
    assert ledger.spent_in_run("run") == held == 5.0
    AnswerMoney(purse(ledger), "final answers", tariff)
    assert ledger.spent_in_run("run") == 0.0


@pytest.mark.parametrize("first", [UNKNOWN, DOLLAR], ids=["unknown", "known"])
def test_a_run_that_only_reads_the_answers_of_an_earlier_one_is_charged_nothing(ledger: Ledger, first: Price) -> None:
    with scripted_endpoint() as server:
        ask(questions(5), purse(ledger, "run"), server, first)
        ask(questions(5), purse(ledger, "another"), server, DOLLAR)
    assert ledger.spent_by_kind("another").get("final answers", 0.0) == 0.0
    assert ledger.spent_in_run("run") == (5.0 if first is DOLLAR else 0.0)
    assert len(server.arrivals) == 5


def test_an_unknown_price_is_not_capped(ledger: Ledger) -> None:
    with scripted_endpoint() as server:
        ask(questions(5), purse(ledger, per_run=0.0), server, UNKNOWN)
    assert len(server.arrivals) == 5
    assert ledger.spent_by_kind("run") == {}


def test_no_more_than_a_batch_is_set_aside_where_the_budget_is_large(ledger: Ledger) -> None:
    assert purse(ledger, per_run=1e6, per_month=1e6).stretch("reserved run", 0.0, (1.0, BATCH * 1.0)) == BATCH + 1


def test_a_run_that_something_else_stops_holds_nothing_back(ledger: Ledger) -> None:
    async def refuse(arrival: Arrival) -> web.Response:
        return refusal(401, "invalid_api_key")

    with scripted_endpoint(refuse) as server, pytest.raises(CredentialsError):
        ask(questions(5), purse(ledger), server)
    assert ledger.spent_in_run("run") == 0.0
