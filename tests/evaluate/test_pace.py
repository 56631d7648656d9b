"""The pace of one endpoint, second by second on a clock that the test moves."""

import math

from tasks.evaluate.pace import Pace


def send(pace: Pace, count: int, now: float = 0.0) -> int:
    """Send as many as are let through, at most `count`."""
    for sent in range(count):
        if pace.wait(1, now) > 0:
            return sent
        pace.sent(1, now)
    return count


def land(pace: Pace, count: int) -> None:
    for _ in range(count):
        pace.in_flight -= 1
        pace.answered()


def limits(limit: str, remaining: str, what: str = "requests") -> dict[str, str]:
    return {f"x-ratelimit-limit-{what}": limit, f"x-ratelimit-remaining-{what}": remaining}


def test_concurrency_grows_with_the_answers_to_what_was_allowed():
    pace = Pace(64)
    assert send(pace, 100) == 16
    land(pace, 16)
    assert send(pace, 100) == 32
    land(pace, 32)
    assert send(pace, 100) == 64


def test_one_overload_halves_once_however_many_requests_it_hits():
    pace = Pace(64)
    send(pace, 16)
    for _ in range(16):
        pace.in_flight -= 1
        pace.overloaded(sent_at=0.0, now=1.0)
    assert send(pace, 100, now=1.0) == 8


def test_a_hold_holds_for_everybody_and_ends_on_time():
    pace = Pace(8)
    pace.hold(30, now=100)
    pace.hold(10, now=101)
    assert pace.wait(1, now=110) == 20
    assert pace.wait(1, now=130) == 0


def test_requests_wait_for_the_budget_that_the_server_reports():
    pace = Pace(64)
    pace.learn(limits("60", "2"), now=0)
    assert send(pace, 10) == 2
    assert pace.wait(1, now=0) == 1
    assert pace.wait(1, now=1) == 0


def test_tokens_are_a_budget_too_and_a_request_above_the_limit_waits_for_a_full_one():
    pace = Pace(64)
    pace.learn(limits("600", "100", "tokens"), now=0)
    assert pace.wait(tokens=150, now=0) == 5
    assert pace.wait(tokens=5000, now=0) == 50


def test_a_report_of_nothing_holds_nobody_up():
    pace = Pace(64)
    for limit, remaining in (("-1", "-1"), ("0", "0"), ("many", ""), ("nan", "5"), ("60", "-1")):
        pace.learn(limits(limit, remaining), now=0)
    assert pace.wait(1, now=0) == 0


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
    pace.answered()
    assert not pace.down
    assert pace.wait(1, now=20) == 0
