"""The pace of one endpoint, second by second on a clock that the test moves."""

import math
import random

import pytest

from tasks.evaluate.engine.pace import OPENING_S, OVERLOADED, SHARE, UNHURRIED, Pace, Ticket
from tests.evaluate.limited_server import Server, run


def send(pace: Pace, count: int, now: float = 10.0) -> list[Ticket]:
    """Send as many as are let through, at most `count`; at 10 s a pace that began at 0 is open."""
    return [pace.sent(1, now) for _ in range(count) if pace.wait(1, now) <= 0]


def opened(most: int) -> Pace:
    """A pace whose first request went out at 0 and is answered."""
    pace = Pace(most)
    send(pace, 1, now=0)
    land(pace, 1)
    return pace


def land(pace: Pace, count: int, now: float = 10.0) -> None:
    for _ in range(count):
        pace.in_flight -= 1
        pace.answered(now)


def overload(pace: Pace, now: float) -> None:
    """As many 503s as are no accident, to requests that left at that time."""
    for number in range(OVERLOADED):
        pace.overloaded(f"question {number}", Ticket(number, now, 1), now)


def limits(limit: str, remaining: str, what: str = "requests") -> dict[str, str]:
    return {f"x-ratelimit-limit-{what}": limit, f"x-ratelimit-remaining-{what}": remaining}


# ---------------------------------------------------------------- in flight


def test_it_opens_step_by_step_and_is_open_before_a_common_answer_is_back():
    pace = Pace(128)
    assert len(send(pace, 200, now=0)) == UNHURRIED
    assert 0 < pace.wait(1, now=0) <= OPENING_S / 100
    assert len(send(pace, 200, now=OPENING_S / 2)) + UNHURRIED == pytest.approx(64 + UNHURRIED, abs=1)
    send(pace, 200, now=OPENING_S)
    assert pace.in_flight == 128
    assert pace.wait(1, now=OPENING_S) == math.inf


def test_one_overload_halves_once_however_many_requests_it_hits():
    pace = opened(64)
    for number, ticket in enumerate(send(pace, 64)):
        pace.in_flight -= 1
        pace.overloaded(f"question {number}", ticket, now=11)
    assert len(send(pace, 100, now=11)) == 32


def test_after_an_overload_every_answer_adds_one_up_to_half_of_what_was_too_much():
    pace = opened(64)
    for number in range(2):
        overload(pace, now=10.5 + number)
    assert len(send(pace, 100, now=20)) == 16
    overload(pace, now=21)
    land(pace, 16)
    assert len(send(pace, 100, now=22)) == 9


@pytest.mark.parametrize("most", [8, 32, 128])
def test_a_503_now_and_then_changes_nothing(most: int) -> None:
    pace = opened(most)
    for number in range(50):
        pace.overloaded(f"question {number}", Ticket(number, 10.0 + number, 1), now=10.0 + number)
        pace.in_flight += 50
        land(pace, 50, now=10.5 + number)
    assert len(send(pace, 200, now=100)) == most


def test_one_question_that_meets_a_503_every_time_is_no_overload() -> None:
    pace = opened(64)
    for number in range(50):
        pace.overloaded("always the same", Ticket(number, 10.0 + number, 1), now=10.0 + number)
    assert len(send(pace, 100, now=100)) == 64


def test_a_lone_503_with_a_retry_after_halves() -> None:
    pace = opened(64)
    pace.overloaded("question", Ticket(1, 10, 1), now=11, told=True)
    assert len(send(pace, 100, now=11)) == 32


def test_of_many_in_flight_a_small_share_may_meet_a_503() -> None:
    pace, enough = opened(128), int(SHARE * 128)
    for number in range(enough - 1):
        pace.overloaded(f"question {number}", Ticket(number, 10.0, 1), now=10)
    assert len(send(pace, 100, now=10)) == 100
    pace.overloaded("one more", Ticket(enough, 10.0, 1), now=10)
    assert len(send(pace, 100, now=10)) == 0


def test_a_hold_holds_for_everybody_and_ends_on_time():
    pace = Pace(8)
    pace.hold(30, now=100)
    pace.hold(10, now=101)
    assert pace.wait(1, now=110) == 20
    assert pace.wait(1, now=130) == 0


# ---------------------------------------------------------------- what the server reports


def test_requests_wait_for_the_budget_that_the_server_reports():
    pace = opened(64)
    [first, *_] = send(pace, 1)
    pace.learn(limits("60", "3"), first)
    assert len(send(pace, 10, now=10.02)) == 2, "one stays, for a request that overtakes another"
    assert pace.wait(1, now=10.02) == pytest.approx(1, abs=0.02)
    assert pace.wait(1, now=11.03) == 0


def test_what_was_sent_after_a_report_left_is_taken_off_it():
    pace = opened(64)
    first, *_ = send(pace, 5)
    pace.learn(limits("60", "10"), first)
    assert len(send(pace, 20, now=10.02)) == 10 - 4 - 1


def test_the_report_of_the_latest_request_counts_whatever_comes_in_last():
    pace = opened(64)
    first, second = send(pace, 2)
    pace.learn(limits("60", "5"), second)
    pace.learn(limits("60", "900"), first)
    assert len(send(pace, 20, now=10.02)) == 4


def test_tokens_are_a_budget_too_and_a_request_above_the_limit_waits_for_a_full_one():
    pace = opened(64)
    ticket = pace.sent(100, 10)
    pace.learn(limits("600", "0", "tokens"), ticket)
    assert pace.wait(tokens=20, now=10) == pytest.approx(4, abs=0.02)
    assert pace.wait(tokens=5000, now=10) == pytest.approx(10, abs=0.02), "it holds 100, as far as was seen"


def test_a_report_of_nothing_holds_nobody_up():
    pace = opened(64)
    for limit, remaining in (("-1", "-1"), ("0", "0"), ("many", ""), ("nan", "5"), ("60", "-1")):
        [ticket] = send(pace, 1)
        pace.learn(limits(limit, remaining), ticket)
    assert pace.wait(1, now=10) == 0


def test_a_refusal_that_reports_explain_leaves_what_may_be_in_flight():
    pace = opened(64)
    [ticket] = send(pace, 1)
    assert pace.refused(ticket, 10, limits("6000", "0"))
    assert len(send(pace, 100, now=11)) == 63


def test_a_refusal_with_much_left_is_about_something_else_and_halves():
    pace = opened(64)
    [ticket] = send(pace, 1)
    assert not pace.refused(ticket, 10, limits("6000", "5999"))
    assert pace.in_flight + len(send(pace, 100, now=11)) == 32


# ---------------------------------------------------------------- minutes of it


@pytest.mark.parametrize(
    ("server", "cases", "most"),
    [
        (Server(), 1000, 32),
        (Server(), 300, 32),
        (Server(), 1000, 128),
        (Server(burst_s=0.2), 1000, 32),
        (Server(burst_s=60), 3000, 32),
        (Server(requests_per_minute=60, burst_s=10), 300, 8),
        (Server(latency_s=2, spread=0.4), 1000, 128),
        (Server(requests_per_minute=12_000), 3000, 128),
    ],
    ids=["1000", "300", "many at once", "small bucket", "full minute", "slow", "long answers", "fast"],
)
def test_a_reported_rate_is_reached_and_next_to_no_request_is_wasted(server: Server, cases: int, most: int) -> None:
    outcome = run(server, cases, most)
    assert outcome.share >= 0.97
    assert outcome.refused < 0.01 * cases


@pytest.mark.parametrize("burst_s", [1.0, 60.0])
def test_a_token_limit_is_reached_too_whatever_the_server_counts_for_a_token_of_ours(burst_s: float) -> None:
    def tokens(chance: random.Random) -> tuple[float, float]:
        return 600, chance.gauss(900, 100)

    outcome = run(Server(1e9, 900_000, burst_s), 2000, 32, tokens)
    assert outcome.share >= 0.97
    assert outcome.refused < 0.01 * 2000


@pytest.mark.parametrize("whole_seconds", [False, True])
def test_without_reports_the_rate_is_found_between_refusals(whole_seconds: bool) -> None:
    outcome = run(Server(reports=False, whole_seconds=whole_seconds), 2000, 32)
    assert outcome.share >= 0.95
    assert outcome.refused < 0.01 * 2000


# ---------------------------------------------------------------- outages


def test_failures_of_one_question_are_not_an_outage():
    pace = Pace(64)
    for _ in range(50):
        pace.failed("always the same", now=0)
    assert not pace.down


def test_in_an_outage_one_probe_at_a_time_goes_out_ever_more_rarely():
    pace = Pace(64)
    for number in range(10):
        pace.failed(f"question {number}", now=0)
    assert pace.down
    assert pace.wait(1, now=0) == 0.5
    pace.sent(1, now=0.5)
    assert pace.wait(1, now=0.5) == math.inf
    pace.in_flight -= 1
    pace.failed("question 0", now=1)
    assert pace.wait(1, now=1) == 1
    for now in range(20, 420, 20):
        pace.failed("question 0", now)
    assert pace.wait(1, now=400) == 10


def test_what_was_in_flight_when_an_outage_came_does_not_lengthen_it():
    pace = Pace(64)
    for number in range(60):
        pace.failed(f"question {number}", now=0)
    assert pace.wait(1, now=0) == 0.5


def test_one_answer_ends_an_outage():
    pace = Pace(64)
    for number in range(10):
        pace.failed(f"question {number}", now=0)
    pace.answered(now=1)
    assert not pace.down
    assert pace.wait(1, now=20) == 0
