import pytest

from data_contracts.contest import Comparison, Rule, Verdict
from data_contracts.evidence import Agreement, Consistency, Interval, JudgedPair, JudgeReport
from data_contracts.gates import Gates
from tasks.decide.rules import TIERS, check_tiers
from tasks.decide.verdict import Standing, decide
from tasks.errors import ConfigurationError
from tests.decide.contest import CASES, candidate, comparison, margin, paired, scores

PROMPT = candidate("best-prompt")
TUNE = "tune-minimal"
CLEAR = (0.06, 0.03, 0.09)


def first_trial(update: dict[str, object] | None = None, **tune: object) -> Comparison:
    """The best prompt and a tune that beats it."""
    found = comparison([scores("best-prompt"), scores(TUNE, 0.86, **tune)], paired(TUNE, "best-prompt", CLEAR))
    return found.model_copy(update=update or {})


def decided(found: Comparison, gates: Gates | None = None) -> Verdict:
    return decide(found, Standing(None, PROMPT), gates or Gates())


def rule(verdict: Verdict, name: str) -> Rule | None:
    return next((rule for rule in verdict.rules if rule.name == name), None)


# ---------------------------------------------------------------- tiers


def test_a_rule_weighs_what_the_use_case_says() -> None:
    slow = first_trial(latency_p99_ms=900.0)
    assert decided(slow).decision == "keep"
    lenient = decided(slow, Gates(tiers={"latency": "should"}))
    assert lenient.decision == "promote"
    assert any(reason.startswith("Should hold and does not, latency: 4.50 times") for reason in lenient.reasons)


def test_an_informational_rule_that_is_made_a_must_blocks_where_its_figure_is_missing() -> None:
    assert rule(decided(first_trial()), "consistency") is None
    verdict = decided(first_trial(), Gates(tiers={"consistency": "must"}))
    assert verdict.decision == "not enough evidence"
    assert any(reason.startswith("consistency: not measured") for reason in verdict.reasons)


@pytest.mark.parametrize("name", ["latencey", "beats best-prompt", "complete answers"])
def test_a_tier_for_no_rule_or_for_one_that_always_must_hold_is_a_configuration_error(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"latency, cost, .*position bias") as error:
        check_tiers(Gates(tiers={name: "info"}))
    assert name in str(error.value)
    with pytest.raises(ConfigurationError):
        decided(first_trial(), Gates(tiers={name: "info"}))


def test_every_rule_that_can_be_weighed_is_one_that_is_stated() -> None:
    check_tiers(Gates(tiers=dict.fromkeys(TIERS, "info")))
    report = JudgeReport(model="m", criteria="what is better", pairs=[judged_pair(0.5)])
    found = first_trial({"judge": report}, consistency=consistency(0))
    test = found.tests[0].model_copy(update={"power": 0.9})
    gates = Gates(max_cost_ratio=2, max_format_loss=0.1, min_score=0.5)
    margins = [*found.margins, margin("format", TUNE, (0.0, 0.0, 0.0))]
    verdict = decided(found.model_copy(update={"tests": [test], "margins": margins}), gates)
    assert {one.name for one in verdict.rules} == {*TIERS, "complete answers", "beats best-prompt"}


# ---------------------------------------------------------------- what is informational


def consistency(unstable: int) -> Consistency:
    return Consistency(repeats=5, cases=50, agreement=0.98, unstable=unstable)


@pytest.mark.parametrize(("unstable", "passed"), [(0, True), (2, False)])
def test_answers_that_vary_are_shown_and_block_nothing(unstable: int, passed: bool) -> None:
    verdict = decided(first_trial(consistency=consistency(unstable)))
    found = rule(verdict, "consistency")
    assert found is not None
    assert (verdict.decision, found.tier, found.passed) == ("promote", "info", passed)
    assert f"{unstable} of 50 cases asked 5 times" in found.figure


@pytest.mark.parametrize(("power", "passed"), [(0.79, False), (0.81, True)])
def test_the_power_that_the_trial_had_is_shown(power: float, passed: bool) -> None:
    found = first_trial()
    test = found.tests[0].model_copy(update={"power": power, "discordance": 0.13})
    shown = rule(decided(found.model_copy(update={"tests": [test]})), "achieved power")
    assert shown is not None
    assert (shown.tier, shown.passed) == ("info", passed)
    assert shown.figure.startswith(f"{power:.2f} to have shown 2.0 points against best-prompt")
    assert "differing on 13.0% of cases" in shown.figure


def test_what_the_size_of_the_test_set_shows_names_what_it_assumes() -> None:
    shown = rule(decided(first_trial()), "test size")
    assert shown is not None
    assert "power 0.8, if candidates differ on 20% of cases" in shown.figure


def judged_pair(first: float) -> JudgedPair:
    half = Interval(value=0.5, low=0.4, high=0.6)
    position = Interval(value=first, low=first - 0.05, high=first + 0.05)
    return JudgedPair(
        candidate=TUNE,
        reference="best-prompt",
        cases=100,
        wins=20,
        losses=20,
        ties=60,
        preference=half,
        first_position=position,
        consistent=0.9,
        p_value=1.0,
    )


def report(kappa: float | None, first: float = 0.5) -> JudgeReport:
    human = None if kappa is None else Agreement(cases=80, share=0.85, kappa=kappa)
    return JudgeReport(model="m", criteria="what is better", pairs=[judged_pair(first)], human=human)


@pytest.mark.parametrize(("kappa", "passed"), [(0.7, True), (0.3, False), (None, None)])
@pytest.mark.parametrize(("metric", "tier"), [("accuracy", "info"), ("judge", "should")])
def test_a_judge_is_held_to_people_and_has_to_be_where_it_decides(
    kappa: float | None, passed: bool | None, metric: str, tier: str
) -> None:
    verdict = decided(first_trial({"judge": report(kappa), "metric": metric}))
    found = rule(verdict, "judge agreement")
    assert found is not None
    assert (verdict.decision, found.tier, found.passed) == ("promote", tier, passed)
    said = any("judge agreement" in reason for reason in verdict.reasons)
    assert said == (tier == "should" and not passed)


@pytest.mark.parametrize(("first", "passed"), [(0.52, True), (0.7, False)])
def test_a_judge_that_prefers_what_stands_first_is_shown(first: float, passed: bool) -> None:
    found = rule(decided(first_trial({"judge": report(0.8, first)})), "position bias")
    assert found is not None
    assert (found.tier, found.passed) == ("info", passed)
    assert f"{first:.2f} ({first - 0.05:.2f} to {first + 0.05:.2f})" in found.figure


def test_without_a_judge_nothing_is_said_of_one() -> None:
    names = [one.name for one in decided(first_trial()).rules]
    assert "judge agreement" not in names
    assert "position bias" not in names


# ---------------------------------------------------------------- cases still needed


def test_a_judge_that_has_to_read_more_of_the_cases_is_said() -> None:
    open_test = paired(TUNE, "best-prompt", (0.05, -0.02, 0.12), 0.2)
    few = open_test.model_copy(update={"cases_needed": 300, "wins": 30, "losses": 20, "discordance": 0.5})
    verdict = decided(first_trial({"tests": [few], "metric": "judge"}))
    assert verdict.cases_needed == 300
    assert any("300 judged cases would settle it: raise `evaluation.judge.max_cases`" in one for one in verdict.reasons)


def test_the_cases_still_needed_settle_every_open_rule() -> None:
    open_test = paired(TUNE, "best-prompt", (0.05, -0.02, 0.12), 0.2)  # 900 would show it
    found = first_trial({"tests": [open_test], "margins": [margin("latency", TUNE, (1.7, 1.2, 2.3))]})
    verdict = decided(found)
    assert verdict.cases_needed == CASES * 4
    assert "(beats best-prompt, latency)" in verdict.reasons[-2]


def test_a_choice_among_several_that_could_be_promoted_is_said_to_fall_on_the_same_cases() -> None:
    names = ("tune-minimal", "tune-full")
    tests = [paired(name, "best-prompt", CLEAR) for name in names]
    found = comparison([scores("best-prompt"), scores(names[0], 0.85), scores(names[1], 0.86)], *tests)
    verdict = decided(found, Gates(minimum_effect=0))
    assert any(
        one.startswith("2 candidates could be promoted; tune-full was chosen among them on these very cases")
        for one in verdict.reasons
    )


# ---------------------------------------------------------------- floors


@pytest.mark.parametrize(
    ("adherence", "clusters", "decision"),
    [
        (0.98, None, "promote"),
        (0.97, None, "not enough evidence"),
        (0.96, None, "keep"),
        (0.96, 50, "not enough evidence"),
    ],
    ids=["at the floor", "below by chance", "below", "below in few groups"],
)
def test_a_candidate_is_ruled_out_only_where_the_whole_interval_is_below_the_floor(
    adherence: float, clusters: int | None, decision: str
) -> None:
    found = first_trial(format_adherence=adherence)
    tests = [found.tests[0].model_copy(update={"clusters": clusters})]
    verdict = decided(found.model_copy(update={"tests": tests}))
    form = rule(verdict, "format adherence")
    assert form is not None
    assert (verdict.decision, form.passed) == (decision, decision == "promote")
    assert f"{adherence:.3f} (95 % interval " in form.figure
    assert "at least 0.98 passes, an interval that ends below it rules out" in form.figure
    assert ("does not settle it" in form.figure) == (decision == "not enough evidence")


def test_an_open_floor_says_how_many_cases_would_settle_it() -> None:
    found = decided(first_trial(), Gates(min_score=0.87))  # 0.86, up to 0.89
    assert (found.decision, found.cases_needed) == ("not enough evidence", CASES * 9)
    assert any("(minimum score)" in reason for reason in found.reasons)


def test_the_cases_still_needed_are_told_with_their_groups() -> None:
    grouped = paired(TUNE, "best-prompt", (0.05, -0.02, 0.12), 0.2).model_copy(update={"clusters": 25})
    said = " ".join(decided(first_trial({"tests": [grouped]})).reasons)
    assert "About 900 test cases (45 groups) in all would settle it" in said
