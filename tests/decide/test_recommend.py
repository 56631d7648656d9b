from collections.abc import Sequence

import pytest

from data_contracts.candidate import Candidate, Decoding, FewShot, Prompt
from data_contracts.contest import CandidateScores, Comparison, PromptScore, PromptSearch, Rule, Verdict
from data_contracts.evidence import FailureReport, Failures, GeneralScore, Interval
from data_contracts.gates import Economics, Gates
from data_contracts.use_case import TaskKind
from data_contracts.worth import FiredRule, Payback
from tasks.decide.economics import payback
from tasks.decide.recommend import recommend
from tasks.decide.recommend_case import RecommendCase
from tests.decide.contest import candidate, comparison, margin, paired, scores

CLEAR, LOST, SHOWN_NO_BETTER = (0.05, 0.02, 0.08), (-0.05, -0.08, -0.02), (0.0, -0.01, 0.01)
ECONOMICS = Economics(requests_per_month=120_000, horizon_months=6)
EVERY_MEANS = [
    Prompt(name="plain"),
    Prompt(name="shown", few_shot=FewShot(count=3)),
    Prompt(name="thinking", reasoning=True),
    Prompt(name="schema", structured=True),
]


def searched(prompts: Sequence[Prompt] = EVERY_MEANS) -> PromptSearch:
    tried = [
        PromptScore(
            candidate=Candidate(name=prompt.name, kind="prompt", model="base", base_model="base", prompt=prompt),
            rows=100,
            score=0.8,
            format_adherence=1.0,
            prompt_tokens=300,
            cost_per_request=0.001,
        )
        for prompt in prompts
    ]
    return PromptSearch(metric="accuracy", tried=tried)


def failed(name: str, **by_kind: int) -> FailureReport:
    total = sum(by_kind.values())
    found = Failures(
        candidate=name,
        cases=500,
        failed=total,
        by_kind=by_kind,
        by_outcome={"answered": total},
        remedies=[],
        clusters=[],
    )
    return FailureReport(candidates=[found], disagreements=[])


def verdict(decision: str, winner: str, challenger: str | None = None, **changes: object) -> Verdict:
    content = {
        "decision": decision,
        "winner": candidate(winner),
        "reference": "best-prompt",
        "challenger": candidate(challenger) if challenger else None,
        "reasons": [],
        "rules": [],
    }
    return Verdict.model_validate(content | changes)


def case(found: Comparison, decided: Verdict, **changes: object) -> RecommendCase:
    """A trial of a prompt that was given every means, of which nothing is known beyond what is stated."""
    parts = {
        "use_case": "mails",
        "kind": TaskKind.CLASSIFICATION,
        "verdict": decided,
        "comparison": found,
        "failures": FailureReport(candidates=[], disagreements=[]),
        "payback": {},
        "economics": ECONOMICS,
        "gates": Gates(),
        "search": searched(),
        "train_rows": 1_000,
    }
    return RecommendCase(**(parts | changes))


def prompts_only(metric: float = 0.8, **changes: object) -> RecommendCase:
    """The best prompt, alone."""
    return case(comparison([scores("best-prompt", metric)]), verdict("keep", "best-prompt"), **changes)


def with_tune(
    decision: str = "promote", difference: tuple[float, float, float] = CLEAR, **changes: object
) -> RecommendCase:
    """The best prompt and a tune."""
    found = comparison(
        [scores("best-prompt", 0.8), scores("tune-minimal", 0.8 + difference[0], cost_per_request=0.0006)],
        paired("tune-minimal", "best-prompt", difference),
    )
    winner = "tune-minimal" if decision == "promote" else "best-prompt"
    decided = verdict(decision, winner, "tune-minimal")
    return case(found, changes.pop("decided", decided), **changes)


def two_tunes(minimal: float, full: float) -> RecommendCase:
    tests = [paired(name, "best-prompt") for name in ("tune-minimal", "tune-full")]
    sides = [scores("best-prompt", 0.7), scores("tune-minimal", minimal), scores("tune-full", full)]
    winner = "tune-full" if full > minimal else "tune-minimal"
    return case(comparison(sides, *tests), verdict("promote", winner, winner))


def rule(given: RecommendCase, name: str) -> FiredRule:
    return next(item for item in recommend(given).rules if item.name == name)


def worth(months: float | None = 3.0, **changes: object) -> dict[str, Payback]:
    content = {
        "monthly_saving": 100.0 if months else -20.0,
        "one_off_cost": 300.0,
        "payback_months": months,
        "break_even_requests_per_month": 50_000.0,
    }
    return {"tune-minimal": Payback.model_validate(content | changes)}


# ---------------------------------------------------------------- the actions


def test_a_promoted_tune_is_used_and_its_gain_is_cited() -> None:
    found = recommend(with_tune())
    assert found.action == "tune"
    assert "Use tune-minimal" in found.sentence
    assert "+5.0 points (+2.0 to +8.0) against best-prompt, p = 0.001" in found.sentence
    assert "`models:/tunegate.mails@champion`" in found.sentence


def test_what_speaks_against_a_promoted_tune_is_said_beside_its_gain() -> None:
    said = recommend(with_tune(payback=worth(11.5), search=searched(EVERY_MEANS[:3]))).sentence
    assert "Against it: it does not pay back in time (11.5 months; the horizon is 6)" in said
    assert "3 prompts tried; not tried: 4 variants, schema" in said
    assert "Against it" not in recommend(with_tune(payback=worth(3.0))).sentence


def test_a_tune_that_is_promoted_with_the_full_prompt_is_a_hybrid() -> None:
    found = recommend(two_tunes(0.80, 0.83))
    assert found.action == "hybrid"
    assert "tune-full 0.830, tune-minimal 0.800 (+3.0 points)" in found.sentence


@pytest.mark.parametrize("full", [0.81, 0.79])
def test_a_full_prompt_that_adds_less_than_the_minimum_effect_makes_no_hybrid(full: float) -> None:
    assert recommend(two_tunes(0.80, full)).action == "tune"


def test_a_promoted_prompt_is_used() -> None:
    won = Rule(name="beats champion", tier="must", passed=True, figure="+5.0 points")
    found = comparison([scores("champion"), scores("best-prompt", 0.85)], paired("best-prompt", "champion"))
    said = recommend(case(found, verdict("promote", "best-prompt", "best-prompt", rules=[won])))
    assert said.action == "prompt"
    assert "beats champion: +5.0 points" in said.sentence


def test_facts_that_change_often_go_to_retrieval_whoever_won() -> None:
    changing = ECONOMICS.model_copy(update={"facts_change": "often"})
    assert recommend(with_tune(economics=changing)).action == "retrieve"
    rarely = ECONOMICS.model_copy(update={"facts_change": "rarely"})
    assert recommend(with_tune(economics=rarely)).action == "tune"


def test_an_open_question_buys_nothing_and_says_how_many_cases_are_missing() -> None:
    decided = verdict("not enough evidence", "best-prompt", "tune-minimal", cases_needed=900)
    found = recommend(with_tune("not enough evidence", (0.03, -0.01, 0.07), decided=decided))
    assert found.action == "prompt"
    assert "500 test cases; about 900 in all would settle it" in found.sentence
    assert "add 400 test rows" in found.sentence


def test_an_open_question_over_a_tuned_champion_stays_with_the_tune() -> None:
    sides = [scores("tune-old", 0.85), scores("best-prompt", 0.84)]
    found = comparison(sides, paired("best-prompt", "tune-old", (-0.01, -0.05, 0.03)))
    decided = verdict("not enough evidence", "tune-old", "best-prompt")
    assert recommend(case(found, decided)).action == "tune"


def test_answers_that_failed_are_asked_for_again_before_cases_are_added() -> None:
    given = with_tune("not enough evidence", decided=verdict("not enough evidence", "best-prompt", "tune-minimal"))
    given.comparison.candidates[1].outcomes["failed"] = 7
    assert "`tunegate run mails` asks again for the 7 answers" in recommend(given).sentence


@pytest.mark.parametrize(
    ("name", "passed", "step"),
    [
        ("general tasks", False, "add tasks to the file of `evaluation.general`"),
        ("general tasks", None, "serve the base too"),
        ("latency", None, "raise `evaluation.repeats`"),
        ("cost", None, "`provider.prices`"),
        ("pays back", None, "`economics.requests_per_month`"),
        ("judge agreement", None, "`evaluation.judge.human_labels`"),
        ("beats best-prompt", False, "add 400 test rows"),
        ("latency", False, "add 400 test rows"),
    ],
)
def test_the_next_step_settles_the_rule_that_is_open(name: str, passed: bool | None, step: str) -> None:
    missing = Rule(name=name, tier="must", passed=passed, figure="1")
    decided = verdict("not enough evidence", "best-prompt", "tune-minimal", rules=[missing], cases_needed=900)
    said = recommend(with_tune("not enough evidence", decided=decided)).sentence
    assert step in said.split("Next: ")[1]
    assert ("test rows" in said) == ("test rows" in step)


def test_a_judge_that_read_too_few_cases_is_let_read_more() -> None:
    decided = verdict("not enough evidence", "best-prompt", "tune-minimal", cases_needed=300)
    assert "`evaluation.judge.max_cases`" in recommend(with_tune("not enough evidence", decided=decided)).sentence


def test_a_prompt_that_reaches_the_target_stays() -> None:
    found = recommend(prompts_only(0.85, gates=Gates(min_score=0.85), search=searched(EVERY_MEANS[:1])))
    assert found.action == "prompt"
    assert "accuracy 0.850; `gates.min_score` is 0.85" in found.sentence


def test_a_better_tune_that_does_not_pay_is_not_needed_where_the_prompt_reaches_the_target() -> None:
    gates = Gates(min_score=0.75)
    found = recommend(with_tune(gates=gates, payback=worth(11.5)))
    assert found.action == "prompt"
    assert "11.5 months; the horizon is 6" in found.sentence
    assert "`tunegate rollback mails`" in found.sentence
    assert recommend(with_tune(gates=gates, payback=worth(3.0))).action == "tune"
    assert recommend(with_tune(payback=worth(11.5))).action == "tune"  # bought for its answers


def test_a_prompt_that_was_not_given_every_means_is_given_them_first() -> None:
    found = recommend(prompts_only(search=searched(EVERY_MEANS[:2]), failures=failed("best-prompt", systematic=50)))
    assert found.action == "prompt"
    assert "2 prompts tried; not tried: 4 variants, reasoning, schema" in found.sentence
    assert "`prompts.grid.reasoning: [true]`" in found.sentence


def test_free_text_needs_no_schema_to_be_maxed_out() -> None:
    prompts = [*EVERY_MEANS[:3], Prompt(name="warm", decoding=Decoding(temperature=0.7))]
    assert (
        rule(prompts_only(search=searched(prompts), kind=TaskKind.FREE_TEXT), "prompt means are untried").fired is False
    )
    assert rule(prompts_only(search=searched(prompts)), "prompt means are untried").fired is True


@pytest.mark.parametrize(
    ("kind", "action", "step"),
    [
        ("consistency", "prompt", "`decoding.temperature: 0`"),
        ("judgement", "preference-tune", "`fine_tune.method: dpo`"),
        ("systematic", "tune", "`tunegate estimate mails`"),
    ],
)
def test_the_usual_kind_of_failure_decides_what_is_mended_next(kind: str, action: str, step: str) -> None:
    found = recommend(prompts_only(failures=failed("best-prompt", **{kind: 30})))
    assert found.action == action
    assert "30 of 30 failing cases of best-prompt" in found.sentence
    assert step in found.sentence


@pytest.mark.parametrize("by_kind", [{"systematic": 9}, {"systematic": 20, "judgement": 20}, {}])
def test_few_failures_or_as_many_of_another_kind_show_no_usual_kind(by_kind: dict[str, int]) -> None:
    given = prompts_only(failures=failed("best-prompt", **by_kind))
    assert rule(given, "failures are mostly systematic").fired is False
    assert recommend(given).action == "stop"


def test_systematic_failures_on_few_rows_stop_until_there_are_more() -> None:
    found = recommend(prompts_only(failures=failed("best-prompt", systematic=30), train_rows=120))
    assert found.action == "stop"
    assert "120 training rows; under 200 is called few" in found.sentence


def test_a_tune_that_was_tried_and_lost_is_not_bought_again() -> None:
    found = recommend(with_tune("keep", SHOWN_NO_BETTER, failures=failed("best-prompt", systematic=30)))
    assert found.action == "stop"
    assert "+0.0 points (-1.0 to +1.0)" in found.sentence


def test_a_tuned_champion_that_stays_is_tuned_on_what_it_still_gets_wrong() -> None:
    sides = [scores("tune-old", 0.85), scores("best-prompt", 0.80)]
    found = comparison(sides, paired("best-prompt", "tune-old", LOST))
    given = case(found, verdict("keep", "tune-old", "best-prompt"), failures=failed("tune-old", systematic=40))
    assert recommend(given).action == "tune"
    assert "label rows like the clusters of failing inputs" in recommend(given).sentence
    assert rule(given, "tune beats the best prompt").fired is True  # the test of the prompt, read the other way round


def test_nothing_is_mended_where_less_than_the_minimum_effect_is_left() -> None:
    found = recommend(prompts_only(0.985, search=searched(EVERY_MEANS[:1])))
    assert found.action == "stop"
    assert "accuracy 0.985 leaves 1.5 points" in found.sentence


def test_a_better_tune_that_forgets_is_trained_more_gently() -> None:
    given = with_tune("keep", failures=failed("best-prompt", judgement=40))
    loss = Interval(value=-0.12, low=-0.2, high=-0.06)
    general = GeneralScore(
        candidate="tune-minimal", base_model="base", cases=80, score=loss, base=loss, difference=loss
    )
    sides = given.comparison.candidates
    sides[1] = sides[1].model_copy(update={"general": general})
    found = recommend(given)
    assert found.action == "tune"
    assert "-12.0 points (-20.0 to -6.0) on 80 general tasks; allowed -5.0" in found.sentence
    assert "`fine_tune.n_epochs`" in found.sentence


def test_a_better_tune_that_breaks_a_rule_leaves_the_prompt_where_it_is() -> None:
    slow = Rule(name="latency", tier="must", passed=False, figure="3.10 times the reference; at most 2")
    decided = verdict("keep", "best-prompt", "tune-minimal", rules=[slow])
    found = recommend(with_tune("keep", decided=decided))
    assert found.action == "prompt"
    assert "latency: 3.10 times the reference; at most 2" in found.sentence


# ---------------------------------------------------------------- the rules


def test_every_missing_figure_is_unknown_and_says_what_is_missing() -> None:
    given = prompts_only(economics=Economics(), train_rows=None)
    unknown = {item.name: item.figure for item in recommend(given).rules if item.fired is None}
    assert unknown == {
        "tune beats the best prompt": "no tune took part",
        "tune breaks a must-rule": "the verdict is on no tune",
        "tune forgets general tasks": "`evaluation.general` is not measured",
        "full prompt helps the tune": "not both tunes took part",
        "prompt reaches the target": "`gates.min_score` is not set",
        "tune is faster": "not both tune and prompt took part",
        "tune is cheaper": "cost unknown",
        "pays back within the horizon": "no tune to pay for",
        "volume is under break-even": "`economics.requests_per_month` is not set",
        "few training rows": "the number of training rows is unknown",
        "failures are mostly consistency": "no failures of best-prompt at hand",
        "failures are mostly systematic": "no failures of best-prompt at hand",
        "failures are mostly judgement": "no failures of best-prompt at hand",
    }


def test_a_trial_of_a_tuned_champion_alone_has_no_prompt_to_judge() -> None:
    given = case(comparison([scores("tune-old", 0.9)]), verdict("keep", "tune-old"), gates=Gates(min_score=0.8))
    unknown = {item.name for item in recommend(given).rules if item.fired is None}
    assert {"prompt reaches the target", "prompt bloat", "tune beats the best prompt"} <= unknown


@pytest.mark.parametrize(
    ("tokens", "shots", "fired"),
    [(2_000, 5, False), (2_001, 0, True), (300, 6, True)],
    ids=["at", "tokens", "examples"],
)
def test_prompt_bloat_is_over_2000_tokens_or_5_examples(tokens: float, shots: int, fired: bool) -> None:
    one = candidate("best-prompt").model_copy(update={"prompt": Prompt(name="p", few_shot=FewShot(count=shots))})
    sides: list[CandidateScores] = [scores("best-prompt", candidate=one, prompt_tokens=tokens)]
    found = rule(
        case(comparison(sides), verdict("keep", "best-prompt").model_copy(update={"winner": one})), "prompt bloat"
    )
    assert found.fired is fired
    assert f"{tokens:,} tokens and {shots} examples" in found.figure


@pytest.mark.parametrize(("figure", "fired"), [((0.6, 0.5, 0.9), True), ((0.9, 0.7, 1.1), False), (None, None)])
def test_a_tune_is_faster_only_where_its_whole_interval_is(
    figure: tuple[float, float, float] | None, fired: bool | None
) -> None:
    given = with_tune()
    given.comparison.margins[:] = [margin("latency", "tune-minimal", figure)]
    assert rule(given, "tune is faster").fired is fired


@pytest.mark.parametrize(("low", "fired"), [(0.0002, True), (-0.0001, False)])
def test_a_tune_is_cheaper_only_where_its_whole_interval_is(low: float, fired: bool) -> None:
    saved = Interval(value=0.0004, low=low, high=0.0006)
    found = rule(with_tune(payback=worth(saving_per_request=saved)), "tune is cheaper")
    assert found.fired is fired
    assert f"0.000400 USD saved a request ({low:.6f} to 0.000600)" in found.figure


def test_the_volume_is_held_against_the_break_even_of_this_very_tune() -> None:
    given = with_tune()
    tune, prompt = given.comparison.candidates[1], given.comparison.candidates[0]
    for training, fired in ((200.0, False), (2_000.0, True)):
        computed = payback(tune, prompt, training, ECONOMICS)
        found = rule(with_tune(payback={"tune-minimal": computed}), "volume is under break-even")
        assert found.fired is fired
        assert f"break-even is {computed.break_even_requests_per_month:,.0f}" in found.figure
        assert rule(with_tune(payback={"tune-minimal": computed}), "pays back within the horizon").fired is not fired


def test_where_a_request_saves_nothing_every_volume_is_too_small() -> None:
    never = worth(None, break_even_requests_per_month=None)
    found = rule(with_tune(payback=never), "volume is under break-even")
    assert (found.fired, "no volume breaks even" in found.figure) == (True, True)
    assert "never: -20.00 USD a month" in rule(with_tune(payback=never), "pays back within the horizon").figure


def test_a_payback_of_unknown_price_is_unknown_with_its_reason() -> None:
    unknown = worth(monthly_saving=None, notes=["The price of model-of-tune-minimal is unknown."])
    found = rule(with_tune(payback=unknown), "pays back within the horizon")
    assert (found.fired, found.figure) == (None, "The price of model-of-tune-minimal is unknown.")


def test_a_gain_that_the_test_does_not_show_is_no_beaten_prompt() -> None:
    assert rule(with_tune("keep", (0.05, -0.01, 0.11)), "tune beats the best prompt").fired is False
    assert rule(with_tune("keep", (0.01, 0.005, 0.015)), "tune beats the best prompt").fired is False


def test_the_same_trial_gets_the_same_recommendation_and_every_rule_cites_a_figure() -> None:
    assert recommend(with_tune()) == recommend(with_tune())
    rules = recommend(with_tune()).rules
    assert len({item.name for item in rules}) == len(rules) == 19
    assert all(item.figure and item.says for item in rules)
    assert recommend(with_tune()).markdown.startswith("# tune")
