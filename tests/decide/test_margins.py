import pytest

from data_contracts.contest import Comparison, Verdict
from data_contracts.evidence import Margin
from data_contracts.gates import Gates
from tasks.decide.verdict import Standing, decide
from tests.decide.contest import CASES, candidate, comparison, margin, paired, scores

PROMPT = candidate("best-prompt")
GATES = Gates()
TUNE = "tune-minimal"


def held(*margins: Margin, gates: Gates = GATES, **tune: object) -> Verdict:
    """A tune that beats the prompt, with these margins in place of those of the same name."""
    found = comparison(
        [scores("best-prompt", 0.80), scores(TUNE, 0.86, **tune)], paired(TUNE, "best-prompt", (0.06, 0.03, 0.09))
    )
    names = {one.name for one in margins}
    kept = [one for one in found.margins if one.name not in names]
    replaced: Comparison = found.model_copy(update={"margins": [*kept, *margins]})
    return decide(replaced, Standing(None, PROMPT), gates)


def figure(verdict: Verdict, name: str) -> str:
    return next(rule.figure for rule in verdict.rules if rule.name == name)


def passed(verdict: Verdict, name: str) -> bool | None:
    return next(rule.passed for rule in verdict.rules if rule.name == name)


@pytest.mark.parametrize(
    ("interval", "decision"),
    [
        ((1.0, 0.8, 1.3), "promote"),
        ((1.7, 1.2, 2.0), "promote"),
        ((1.7, 1.2, 2.1), "not enough evidence"),
        ((2.3, 1.9, 2.8), "not enough evidence"),
        ((2.3, 2.0, 2.8), "not enough evidence"),
        ((2.6, 2.1, 3.2), "keep"),
    ],
    ids=["within", "up to the limit", "over it by chance", "below it by chance", "from the limit on", "beyond"],
)
@pytest.mark.parametrize("name", ["latency", "cost"])
def test_the_whole_interval_of_a_ratio_has_to_lie_within_the_limit(
    name: str, interval: tuple[float, float, float], decision: str
) -> None:
    verdict = held(margin(name, TUNE, interval), gates=Gates(max_latency_ratio=2, max_cost_ratio=2))
    assert verdict.decision == decision
    assert passed(verdict, name) is (decision == "promote")


def test_an_interval_on_both_sides_of_the_limit_is_said_with_its_figures() -> None:
    verdict = held(margin("latency", TUNE, (1.7, 1.2, 2.3)))
    assert figure(verdict, "latency") == (
        "1.70 times best-prompt (95 % interval 1.20 to 2.30); the whole interval at most 2 times; the interval does "
        "not settle it"
    )
    assert "tune-minimal is better on accuracy, and 500 test cases do not settle all else." in verdict.reasons


def test_so_many_cases_narrow_the_interval_to_one_side_of_the_limit() -> None:
    verdict = held(margin("latency", TUNE, (1.7, 1.2, 2.3)))
    assert verdict.cases_needed == CASES * 4  # its upper arm of 0.6 has 0.3 to go
    assert f"About {CASES * 4} test cases in all would settle it, {CASES * 3} more" in " ".join(verdict.reasons)


def test_what_a_margin_is_unknown_for_is_said_and_holds_no_rule() -> None:
    verdict = held(margin("latency", TUNE, None, note="no answer of tune-minimal was timed by itself"))
    assert (verdict.decision, passed(verdict, "latency"), verdict.cases_needed) == ("not enough evidence", None, None)
    assert figure(verdict, "latency").startswith("unknown, no answer of tune-minimal was timed")


def test_a_challenger_that_costs_anything_is_dearer_than_a_reference_that_costs_nothing() -> None:
    found = comparison(
        [scores("best-prompt", cost_per_request=0.0), scores(TUNE, 0.9)], paired(TUNE, "best-prompt", (0.1, 0.05, 0.2))
    )
    verdict = decide(found, Standing(None, PROMPT), Gates(max_cost_ratio=5))
    assert (verdict.decision, passed(verdict, "cost")) == ("keep", False)


@pytest.mark.parametrize(
    ("interval", "decision"),
    [
        ((0.0, -0.01, 0.01), "promote"),
        ((-0.01, -0.03, 0.01), "not enough evidence"),
        ((-0.05, -0.08, -0.03), "keep"),
    ],
)
def test_format_may_be_lost_up_to_a_margin_where_one_is_set(
    interval: tuple[float, float, float], decision: str
) -> None:
    lost = margin("format", TUNE, interval)
    assert held(lost, gates=Gates(max_format_loss=0.02)).decision == decision
    assert held(lost).decision == "promote"


@pytest.mark.parametrize(
    ("interval", "decision"),
    [
        ((0.0, -0.05, 0.05), "promote"),
        ((-0.04, -0.08, 0.0), "not enough evidence"),
        ((-0.12, -0.18, -0.06), "keep"),
    ],
)
def test_a_tune_may_forget_up_to_a_margin(interval: tuple[float, float, float], decision: str) -> None:
    verdict = held(margin("general tasks", TUNE, interval, reference="base"))
    assert verdict.decision == decision
    assert verdict.cases_needed is None  # more cases of this test set say nothing of other tasks
    assert "beside base" in figure(verdict, "general tasks")


def test_that_nobody_looked_at_general_tasks_is_said_and_blocks_nothing() -> None:
    verdict = held()
    rule = next(rule for rule in verdict.rules if rule.name == "general tasks")
    assert (verdict.decision, rule.tier, rule.passed) == ("promote", "info", None)
    assert "not measured" in rule.figure


def test_without_a_limit_what_was_forgotten_is_only_shown() -> None:
    forgot = margin("general tasks", TUNE, (-0.2, -0.3, -0.1), reference="base")
    verdict = held(forgot, gates=Gates(max_general_loss=None))
    assert verdict.decision == "promote"
    assert "-20.0 points beside base" in figure(verdict, "general tasks")


def test_a_prompt_has_forgotten_nothing() -> None:
    found = comparison([scores("best-prompt"), scores("other", 0.9)], paired("other", "best-prompt", (0.1, 0.05, 0.2)))
    verdict = decide(found, Standing(None, PROMPT), GATES)
    assert "general tasks" not in [rule.name for rule in verdict.rules]


@pytest.mark.parametrize(
    ("gates", "tier", "decision"),
    [
        (Gates(), "must", "not enough evidence"),
        (Gates(tiers={"general tasks": "should"}), "should", "promote"),
    ],
)
def test_general_tasks_that_were_asked_and_not_measured_hold_no_rule(gates: Gates, tier: str, decision: str) -> None:
    unanswered = margin("general tasks", TUNE, None, reference="base", note="base model or tune did not answer")
    verdict = held(unanswered, gates=gates)
    rule = next(rule for rule in verdict.rules if rule.name == "general tasks")
    assert (verdict.decision, rule.tier, rule.passed) == (decision, tier, None)
    assert "base model or tune did not answer" in rule.figure
