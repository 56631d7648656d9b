"""A changed model is noticed; one that varies by itself is not taken for one."""

import random
from collections.abc import Callable

import pytest

from tasks.watch.canaries import Baseline, Change, Said, compare, open_questions, said, tells

Answers = dict[str, str]


def heard(answers: Answers, fingerprint: str = "") -> dict[str, Said]:
    return {request: said(request, output, "m", fingerprint) for request, output in answers.items()}


def watch(baseline: Baseline, first: Answers, second: Answers, fingerprint: str = "") -> tuple[Baseline, Change]:
    once, again = heard(first, fingerprint), heard(second, fingerprint)
    asked = open_questions(baseline, once)
    return compare(baseline, once, {request: again[request] for request in asked})


def learnt(fingerprint: str = "", **answers: str) -> Baseline:
    return watch(Baseline(), answers, answers, fingerprint)[0]


def test_the_first_watch_asks_twice_and_finds_nothing() -> None:
    baseline, change = watch(Baseline(), {"a": "x", "b": "y"}, {"a": "x", "b": "y"})
    assert set(baseline.answers) == {"a", "b"}
    assert change == Change()


def test_what_is_answered_as_before_is_asked_once() -> None:
    assert open_questions(learnt(a="x", b="y"), heard({"a": "x", "b": "z"})) == ["b"]


def moved(baseline: Baseline, answers: Answers, passes: int = 2) -> tuple[Baseline, Change]:
    """After so many watches that all heard these."""
    change = Change()
    for _ in range(passes):
        baseline, change = watch(baseline, answers, answers)
    return baseline, change


OLD = dict.fromkeys("abcdefgh", "x")
NEW = dict.fromkeys("abcd", "z")


def test_answers_that_moved_are_told_once_the_next_watch_hears_the_same() -> None:
    assert moved(learnt(**OLD), OLD | NEW, passes=1)[1] == Change()
    assert moved(learnt(**OLD), OLD | NEW)[1].sentence == "4 of 8 canary answers moved"


def test_a_single_answer_that_moved_is_not_enough() -> None:
    assert moved(learnt(**OLD), OLD | {"a": "z"}, passes=5)[1] == Change()


def test_what_moved_and_is_back_at_the_next_watch_wavers() -> None:
    baseline, _ = moved(learnt(**OLD), OLD | NEW, passes=1)
    baseline, change = watch(baseline, OLD, {})
    assert (change, baseline.wavering) == (Change(), [*NEW])


def test_what_was_not_heard_at_one_watch_is_still_awaited() -> None:
    baseline, _ = moved(learnt(**OLD), OLD | NEW, passes=1)
    baseline, _ = watch(baseline, {key: OLD[key] for key in "efgh"}, {})
    assert watch(baseline, OLD | NEW, NEW)[1].sentence


def test_an_answer_that_comes_back_wavers_and_is_left_out_for_good() -> None:
    baseline, change = watch(learnt(a="x", b="y"), {"a": "x", "b": "z"}, {"b": "y"})
    assert not change.sentence
    assert list(baseline.wavering) == ["b"]
    later, change = watch(baseline, {"a": "x", "b": "w"}, {})
    assert not change.sentence
    assert set(later.answers) == {"a"}


def test_what_varies_in_the_first_watch_never_counts_and_is_said_beside_what_moved() -> None:
    baseline, _ = watch(Baseline(), OLD | {"i": "y"}, OLD | {"i": "z"})
    _, change = moved(baseline, OLD | NEW | {"i": "v"})
    assert change.sentence == "4 of 8 canary answers moved, 1 more vary by themselves and do not count"


def test_of_too_few_that_answer_the_same_each_time_nothing_can_be_told() -> None:
    assert tells(learnt(**OLD), [*OLD])
    assert not tells(learnt(a="x"), ["a"])
    assert not tells(watch(Baseline(), {"a": "x", "b": "y"}, {"a": "u", "b": "v"})[0], ["a", "b"])


def test_another_fingerprint_is_a_change_although_the_answers_are_the_same() -> None:
    _, change = watch(learnt("fp_1", a="x"), {"a": "x"}, {}, "fp_2")
    assert change.sentence == "its fingerprint is fp_2 instead of fp_1"


def test_a_change_keeps_its_state_while_one_more_moves_or_wavers_and_a_further_one_has_another() -> None:
    baseline, told = moved(learnt(**OLD), OLD | NEW)
    one_back, wavering = watch(baseline, OLD | NEW | {"a": "x"}, NEW)
    _, one_more = moved(baseline, OLD | NEW | {"h": "z"})
    _, further = moved(baseline, OLD | dict.fromkeys("abcd", "w"))
    assert told.state == wavering.state == one_more.state != further.state
    assert one_back.wavering == ["a"]


def test_no_answer_is_kept_in_clear() -> None:
    baseline = learnt(a="the secret answer")
    assert "secret" not in str(baseline.plain)
    assert baseline.answers["a"] != learnt(b="the secret answer").answers["b"]


def test_a_baseline_outlives_the_ledger() -> None:
    baseline = learnt("fp_1", a="x", b="y")
    assert open_questions(Baseline(**baseline.plain), heard({"a": "x", "b": "y"})) == []


# ---------------------------------------------------------------- how often it is wrong


def told_at(seed: int, rare: Callable[[int], float], changes_at: int = 99) -> int | None:
    """The first of 30 watches that tells of 8 canaries; each answers otherwise in this share of the asks."""
    chance, baseline = random.Random(seed), Baseline()

    def answer(request: str, day: int) -> Said:
        says = "rarer" if chance.random() < rare(int(request)) else "usual"
        return said(request, f"{says} {day >= changes_at}", "m", "")

    for day in range(30):
        first = {request: answer(request, day) for request in map(str, range(8))}
        second = {request: answer(request, day) for request in open_questions(baseline, first)}
        baseline, change = compare(baseline, first, second)
        if change.sentence:
            return day
    return None


@pytest.mark.parametrize("share", [0.02, 0.1, 0.2, "three that cannot decide"])
def test_a_model_that_varies_by_itself_alarms_in_less_than_one_of_twenty_months(share: float | str) -> None:
    def rare(request: int) -> float:
        return share if isinstance(share, float) else 0.5 * (request < 3)

    assert sum(told_at(seed, rare) is not None for seed in range(60)) < 0.05 * 60


@pytest.mark.parametrize(("share", "power"), [(0.0, 1.0), (0.02, 0.95), (0.05, 0.9)])
def test_a_change_of_all_answers_is_told_at_the_second_watch_after_it(share: float, power: float) -> None:
    told = [told_at(seed, lambda _: share, changes_at=3) for seed in range(40)]
    assert told.count(4) >= power * 40
