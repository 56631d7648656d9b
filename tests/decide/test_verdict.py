import pytest

from data_contracts.contest import CandidateScores, Comparison, PairedTest, Verdict
from data_contracts.gates import Gates
from data_contracts.worth import Payback
from tasks.decide.verdict import Standing, decide
from tests.decide.contest import CASES, candidate, comparison, paired, scores

CHAMPION, PROMPT, TUNE = candidate("champion"), candidate("best-prompt"), candidate("tune-minimal")
GATES = Gates()
CLEAR, WORSE = (0.05, 0.02, 0.08), (-0.05, -0.08, -0.02)
NO_BETTER, OPEN = (0.002, -0.015, 0.019), (0.03, -0.01, 0.07)


def first_trial(difference: tuple[float, float, float] = CLEAR, p: float = 0.001, **tune: object) -> Comparison:
    """No champion yet: best prompt against one tune."""
    return comparison(
        [scores("best-prompt", 0.80), scores("tune-minimal", 0.85, **tune)],
        paired("tune-minimal", "best-prompt", difference, p),
    )


def retrain(over_champion: PairedTest, over_prompt: PairedTest, prompt: PairedTest) -> Comparison:
    """Champion, best prompt and tune."""
    candidates = [scores("champion", 0.80), scores("best-prompt", 0.80), scores("tune-minimal", 0.85)]
    return comparison(candidates, over_champion, over_prompt, prompt)


def rule(verdict: Verdict, name: str) -> bool | None:
    return next(rule.passed for rule in verdict.rules if rule.name == name)


def test_a_tune_that_clearly_beats_the_best_prompt_is_promoted() -> None:
    verdict = decide(first_trial(), Standing(None, PROMPT), GATES)
    assert (verdict.decision, verdict.winner) == ("promote", TUNE)
    assert verdict.cases_needed is None
    assert "+5.0 points (95 % interval +2.0 to +8.0, p = 0.001 Holm-adjusted" in " ".join(verdict.reasons)


@pytest.mark.parametrize(
    ("difference", "p", "decision"),
    [
        (CLEAR, 0.001, "promote"),
        ((0.95 - 0.93, 0.001, 0.04), 0.01, "promote"),
        ((0.019, 0.001, 0.04), 0.01, "not enough evidence"),
        ((0.05, 0.0, 0.10), 0.01, "not enough evidence"),
        (CLEAR, 0.05, "not enough evidence"),
        (OPEN, 0.2, "not enough evidence"),
        (NO_BETTER, 0.8, "keep"),
        ((0.01, 0.005, 0.015), 0.001, "keep"),
        (WORSE, 0.001, "keep"),
        ((0.0, 0.0, 0.0), 1.0, "keep"),
    ],
    ids=[
        "clear",
        "exactly the minimum effect",
        "below the minimum effect, perhaps above",
        "interval touches 0",
        "p at the level",
        "open",
        "no better by the minimum effect",
        "better, but not worth it",
        "worse",
        "the same answers",
    ],
)
def test_the_decision_follows_the_paired_difference(
    difference: tuple[float, float, float], p: float, decision: str
) -> None:
    verdict = decide(first_trial(difference, p), Standing(None, PROMPT), GATES)
    assert verdict.decision == decision
    assert verdict.winner == (TUNE if decision == "promote" else PROMPT)


def test_the_same_answers_are_no_reason_to_go_on_asking_even_without_a_minimum_effect() -> None:
    verdict = decide(first_trial((0.0, 0.0, 0.0), 1.0), Standing(None, PROMPT), Gates(minimum_effect=0))
    assert verdict.decision == "keep"


@pytest.mark.parametrize(
    ("over_champion", "over_prompt", "decision"),
    [
        (CLEAR, CLEAR, "promote"),
        (CLEAR, OPEN, "not enough evidence"),
        (OPEN, CLEAR, "not enough evidence"),
        (CLEAR, NO_BETTER, "keep"),
        (WORSE, CLEAR, "keep"),
    ],
)
def test_a_tune_has_to_beat_the_champion_and_the_best_prompt(
    over_champion: tuple[float, float, float], over_prompt: tuple[float, float, float], decision: str
) -> None:
    found = retrain(
        paired("tune-minimal", "champion", over_champion),
        paired("tune-minimal", "best-prompt", over_prompt),
        paired("best-prompt", "champion", NO_BETTER, 0.9),
    )
    verdict = decide(found, Standing(CHAMPION, PROMPT), GATES)
    assert verdict.decision == decision
    assert verdict.winner == (TUNE if decision == "promote" else CHAMPION)
    assert not verdict.first_champion


def test_a_prompt_is_promoted_over_the_champion_in_the_same_way() -> None:
    found = comparison([scores("champion"), scores("best-prompt", 0.85)], paired("best-prompt", "champion", CLEAR))
    verdict = decide(found, Standing(CHAMPION, PROMPT), GATES)
    assert (verdict.decision, verdict.winner) == ("promote", PROMPT)


def test_a_promotable_prompt_is_not_hidden_by_a_better_tune_that_is_ruled_out() -> None:
    found = comparison(
        [scores("champion"), scores("best-prompt", 0.85), scores("tune-minimal", 0.95, latency_p99_ms=900.0)],
        paired("best-prompt", "champion", CLEAR),
        paired("tune-minimal", "champion", CLEAR),
        paired("tune-minimal", "best-prompt", CLEAR),
    )
    verdict = decide(found, Standing(CHAMPION, PROMPT), GATES)
    assert verdict.winner == PROMPT
    assert "tune-minimal (0.950), keep: latency" in verdict.reasons[-1]


def two_tunes(minimal: CandidateScores, full: CandidateScores) -> Comparison:
    tests = (paired(name, "best-prompt", CLEAR) for name in ("tune-minimal", "tune-full"))
    return comparison([scores("best-prompt"), minimal, full], *tests)


def test_of_two_promotable_candidates_the_better_one_wins() -> None:
    found = two_tunes(scores("tune-minimal", 0.84), scores("tune-full", 0.86))
    assert decide(found, Standing(None, PROMPT), GATES).winner.name == "tune-full"


def test_a_gain_that_is_sure_but_too_small_is_called_better_and_not_enough() -> None:
    sure = paired("tune-minimal", "best-prompt", (0.010, 0.005, 0.017))
    verdict = decide(
        comparison([scores("best-prompt"), scores("tune-minimal", 0.81)], sure), Standing(None, PROMPT), GATES
    )
    assert verdict.decision == "keep"
    assert any("better, but shown to be by less than is asked for" in reason for reason in verdict.reasons)


def test_a_payback_that_nobody_knows_is_not_said_to_fail() -> None:
    verdict = decide(first_trial(), Standing(None, PROMPT), GATES)
    assert any(reason.startswith("Should hold and is unknown, pays back") for reason in verdict.reasons)


@pytest.mark.parametrize(("gain", "winner"), [(0.019, "tune-minimal"), (0.021, "tune-full")])
def test_a_dearer_candidate_wins_only_by_more_than_the_minimum_effect(gain: float, winner: str) -> None:
    found = two_tunes(scores("tune-minimal", 0.85), scores("tune-full", 0.85 + gain, cost_per_request=0.01))
    assert decide(found, Standing(None, PROMPT), GATES).winner.name == winner


@pytest.mark.parametrize("price", [0.002, None])
def test_on_a_tie_the_cheaper_one_wins_and_an_unknown_price_is_not_cheap(price: float | None) -> None:
    found = two_tunes(scores("tune-minimal", 0.85), scores("tune-full", 0.85, cost_per_request=price))
    assert decide(found, Standing(None, PROMPT), GATES).winner.name == "tune-minimal"


@pytest.mark.parametrize(
    ("figures", "gates", "broken"),
    [
        ({"format_adherence": 0.96}, GATES, "format adherence"),
        ({"latency_p99_ms": 401.0}, GATES, "latency"),
        ({"cost_per_request": 0.0016}, Gates(max_cost_ratio=1.5), "cost"),
        ({}, Gates(min_score=0.9), "minimum score"),
    ],
)
def test_a_broken_must_rule_keeps_the_champion_however_large_the_gain(
    figures: dict[str, object], gates: Gates, broken: str
) -> None:
    verdict = decide(first_trial(**figures), Standing(None, PROMPT), gates)
    assert verdict.decision == "keep"
    assert rule(verdict, broken) is False
    assert any(reason.startswith(broken) for reason in verdict.reasons)


@pytest.mark.parametrize(
    ("figures", "gates"),
    [
        ({"format_adherence": 0.98}, GATES),
        ({"latency_p99_ms": 400.0}, GATES),
        ({"latency_p99_ms": 9000.0}, Gates(max_latency_ratio=None)),
        ({"cost_per_request": 0.0015}, Gates(max_cost_ratio=1.5)),
        ({"cost_per_request": None}, GATES),
        ({}, Gates(min_score=0.85)),
    ],
)
def test_a_must_rule_holds_at_its_limit_and_where_it_is_not_set(figures: dict[str, object], gates: Gates) -> None:
    assert decide(first_trial(**figures), Standing(None, PROMPT), gates).decision == "promote"


@pytest.mark.parametrize(
    ("figures", "gates", "missing"),
    [
        ({"cost_per_request": None}, Gates(max_cost_ratio=1.5), "cost"),
        ({"latency_p99_ms": None}, GATES, "latency"),
        ({"format_adherence": float("nan")}, GATES, "format adherence"),
    ],
)
def test_a_missing_figure_is_not_a_passed_rule(figures: dict[str, object], gates: Gates, missing: str) -> None:
    verdict = decide(first_trial(**figures), Standing(None, PROMPT), gates)
    assert verdict.decision == "not enough evidence"
    assert rule(verdict, missing) is None


def test_a_missing_paired_test_is_not_a_passed_rule() -> None:
    found = comparison([scores("best-prompt"), scores("tune-minimal", 0.9)])
    verdict = decide(found, Standing(None, PROMPT), GATES)
    assert verdict.decision == "not enough evidence"
    assert rule(verdict, "beats best-prompt") is None


@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize("difference", [CLEAR, WORSE])
def test_nothing_is_decided_while_any_candidate_has_failed_answers(
    who: int, difference: tuple[float, float, float]
) -> None:
    found = first_trial(difference)
    found.candidates[who].outcomes.update(answered=CASES - 3, failed=3)
    verdict = decide(found, Standing(None, PROMPT), GATES)
    assert verdict.decision == "not enough evidence"
    assert rule(verdict, "complete answers") is False


def test_refused_and_unparsable_answers_count_as_wrong_not_as_missing() -> None:
    found = first_trial(outcomes={"answered": CASES - 9, "refused": 5, "unparsable": 4})
    assert decide(found, Standing(None, PROMPT), GATES).decision == "promote"


def test_an_open_difference_says_how_many_cases_would_show_it() -> None:
    verdict = decide(first_trial(OPEN, 0.2), Standing(None, PROMPT), GATES)
    assert verdict.cases_needed == 900
    assert "About 900 test cases in all would settle it" in " ".join(verdict.reasons)


def test_a_difference_below_the_minimum_effect_needs_cases_until_its_interval_ends_there() -> None:
    verdict = decide(first_trial((0.01, -0.01, 0.03), 0.3), Standing(None, PROMPT), GATES)
    assert verdict.cases_needed == CASES * 4 or verdict.cases_needed == CASES * 4 + 1


def test_the_number_of_cases_still_needed_is_always_more_than_there_were() -> None:
    found = comparison(
        [scores("best-prompt"), scores("tune-minimal", 0.85)],
        paired("tune-minimal", "best-prompt", CLEAR, 0.06).model_copy(update={"cases_needed": 120}),
    )
    assert decide(found, Standing(None, PROMPT), GATES).cases_needed == CASES + 1


def test_where_there_is_no_champion_the_best_prompt_becomes_it_and_is_the_reference() -> None:
    verdict = decide(first_trial(NO_BETTER, 0.9), Standing(None, PROMPT), GATES)
    assert verdict.first_champion
    assert (verdict.reference, verdict.winner) == ("best-prompt", PROMPT)
    assert "There was no champion: best-prompt" in verdict.reasons[0]


def test_a_first_trial_without_a_tune_keeps_the_prompt_and_says_that_nothing_else_was_tried() -> None:
    verdict = decide(comparison([scores("best-prompt")]), Standing(None, PROMPT), GATES)
    assert (verdict.decision, verdict.winner, verdict.challenger) == ("keep", PROMPT, None)
    assert verdict.reasons[-1] == "Nothing else was tried against it."


def test_a_best_prompt_that_is_the_champion_is_not_tried_against_itself() -> None:
    same = CHAMPION.model_copy(update={"name": "best-prompt"})
    verdict = decide(comparison([scores("champion")]), Standing(CHAMPION, same), GATES)
    assert (verdict.decision, verdict.winner, verdict.challenger) == ("keep", CHAMPION, None)
    assert verdict.reasons[0] == "best-prompt: the champion is this very candidate (model-of-champion)."


def test_a_tune_that_is_the_champion_under_another_name_is_no_challenger() -> None:
    champion = TUNE.model_copy(update={"name": "champion"})
    found = comparison(
        [scores("champion", 0.85, candidate=champion), scores("tune-minimal", 0.85), scores("best-prompt", 0.75)],
        paired("tune-minimal", "champion", (0.0, 0.0, 0.0), 1.0),
        paired("best-prompt", "champion", WORSE),
    )
    verdict = decide(found, Standing(champion, PROMPT), GATES)
    assert (verdict.decision, verdict.winner, verdict.challenger) == ("keep", champion, PROMPT)
    assert verdict.reasons[0] == "tune-minimal: the champion is this very candidate (model-of-tune-minimal)."


def test_money_is_said_and_never_blocks_a_better_answer() -> None:
    worth = Payback(
        monthly_saving=-20.0,
        one_off_cost=500.0,
        payback_months=None,
        break_even_requests_per_month=None,
        notes=["The tune costs 20.00 USD a month more than the prompt: it never pays back."],
    )
    verdict = decide(first_trial(), Standing(None, PROMPT, {"tune-minimal": worth}), GATES)
    assert (verdict.decision, verdict.payback) == ("promote", worth)
    assert rule(verdict, "pays back") is False
    assert "20.00 USD a month more" in verdict.reasons[-1]


@pytest.mark.parametrize(("months", "passed"), [(5.9, True), (6.1, False)])
def test_payback_is_held_against_the_horizon(months: float, passed: bool) -> None:
    worth = Payback(monthly_saving=100.0, one_off_cost=600.0, payback_months=months, break_even_requests_per_month=1.0)
    standing = Standing(None, PROMPT, {"tune-minimal": worth}, horizon_months=6)
    assert rule(decide(first_trial(), standing, GATES), "pays back") is passed


def test_every_rule_carries_the_figure_it_rests_on() -> None:
    verdict = decide(first_trial(), Standing(None, PROMPT), Gates(max_cost_ratio=2, min_score=0.5))
    assert {rule.tier for rule in verdict.rules} == {"must", "should", "info"}
    assert all(rule.figure for rule in verdict.rules)
