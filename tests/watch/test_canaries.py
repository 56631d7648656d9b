"""A changed model is noticed; one that varies by itself is not taken for one."""

from tasks.watch.canaries import Baseline, Change, Said, compare, open_questions, said

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


def test_an_answer_that_moved_for_good_is_told_with_its_share() -> None:
    _, change = watch(learnt(a="x", b="y"), {"a": "x", "b": "z"}, {"b": "z"})
    assert change.sentence == "1 of 2 canary answers moved"


def test_an_answer_that_comes_back_wavers_and_is_left_out_for_good() -> None:
    baseline, change = watch(learnt(a="x", b="y"), {"a": "x", "b": "z"}, {"b": "y"})
    assert not change.sentence
    assert list(baseline.wavering) == ["b"]
    later, change = watch(baseline, {"a": "x", "b": "w"}, {})
    assert not change.sentence
    assert set(later.answers) == {"a"}


def test_what_varies_in_the_first_watch_never_counts_and_is_said_beside_what_moved() -> None:
    baseline, _ = watch(Baseline(), {"a": "x", "b": "y"}, {"a": "x", "b": "z"})
    _, change = watch(baseline, {"a": "moved", "b": "v"}, {"a": "moved"})
    assert change.sentence == "1 of 1 canary answers moved, 1 more vary by themselves and do not count"


def test_another_fingerprint_is_a_change_although_the_answers_are_the_same() -> None:
    _, change = watch(learnt("fp_1", a="x"), {"a": "x"}, {}, "fp_2")
    assert change.sentence == "its fingerprint is fp_2 instead of fp_1"


def test_the_same_change_has_the_same_state_and_a_further_one_another() -> None:
    baseline = learnt(a="x", b="y")
    states = [watch(baseline, {"a": answer, "b": "y"}, {"a": answer})[1].state for answer in ("z", "z", "w")]
    assert states[0] == states[1] != states[2]


def test_no_answer_is_kept_in_clear() -> None:
    baseline = learnt(a="the secret answer")
    assert "secret" not in str(baseline.plain)
    assert baseline.answers["a"] != learnt(b="the secret answer").answers["b"]


def test_a_baseline_outlives_the_ledger() -> None:
    baseline = learnt("fp_1", a="x", b="y")
    assert open_questions(Baseline(**baseline.plain), heard({"a": "x", "b": "y"})) == []
