"""report.html: everything that was found, and nothing that must not be seen."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from data_contracts.evidence import FailureReport
from data_contracts.money import usd
from data_contracts.trial import TrialRecord
from data_contracts.use_case import TextPolicy
from tasks.register.report import render
from tests.register.filled import TERMS, filled
from tests.register.page import shown, with_changes, with_use_case
from tests.stepwise import Finished


@pytest.fixture
def record(finished: Finished) -> TrialRecord:
    return finished.record


@pytest.fixture
def full(record: TrialRecord) -> TrialRecord:
    return filled(record)


# ---------------------------------------------------------------- what it says


def test_verdict_and_reasons_come_first(record: TrialRecord) -> None:
    text = shown(record)
    assert text.index("promote") < text.index("Candidates on the sealed test set")
    for reason in record.verdict.reasons:
        assert says(text, reason)
    for rule in record.verdict.rules:
        assert rule.name in text
        assert says(text, rule.figure)


def says(text: str, sentence: str) -> bool:
    """Whether it is there, with what stands between backticks as code."""
    return all(" ".join(part.split()) in text for part in sentence.split("`"))


def test_every_figure_of_the_comparison_is_there(record: TrialRecord) -> None:
    text = shown(record)
    for item in record.comparison.candidates:
        shares = [item.metric.value, item.metric.low, item.metric.high, item.macro_f1, item.format_adherence]
        figures = [f"{100 * share:.1f}\N{NO-BREAK SPACE}%" for share in shares]
        figures += [f"{item.latency_p50_ms:.0f}", f"{item.latency_p99_ms:.0f}", usd(1000 * item.cost_per_request)]
        figures += [f"{item.prompt_tokens:.0f} / {item.completion_tokens:.1f}", item.candidate.model]
        for figure in figures:
            assert " ".join(figure.split()) in text
    for test in record.comparison.tests:
        difference = test.difference
        shown_points = [f"{100 * value:+.1f}" for value in (difference.value, difference.low, difference.high)]
        for figure in [
            *shown_points,
            str(test.wins),
            str(test.losses),
            p_shown(test.p_value),
            p_shown(test.p_adjusted),
        ]:
            assert figure in text


def p_shown(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def test_a_tune_is_shown_against_the_best_prompt_too_where_that_is_not_the_reference(record: TrialRecord) -> None:
    def add(comparison: Any) -> None:
        comparison["tests"].append(comparison["tests"][0] | {"candidate": "tune-full", "reference": "tune-minimal"})

    text = shown(with_changes(record, "comparison", add))
    assert "tune-full against tune-minimal" in text
    assert "tune-full against best-prompt" in text


def test_outcomes_other_than_answers_are_counted(record: TrialRecord) -> None:
    def refuse(comparison: Any) -> None:
        comparison["candidates"][0]["outcomes"] = {"answered": 100, "refused": 5}

    assert "5 refused" in shown(with_changes(record, "comparison", refuse))
    assert "refused" not in shown(record)


def test_the_sums_the_leaks_and_the_hashes_are_there(record: TrialRecord) -> None:
    text = shown(record)
    assert "400 = 400 curated + 0 duplicates + 0 quarantined + 0 excluded" in text
    counts = record.counts
    assert f"= {counts.train.rows} train + {counts.validation.rows} validation + {counts.test.rows} test" in text
    assert counts.test.sha256 in text
    assert record.tuned.submission.intent in text
    assert f"tunegate verify {record.run}" in text


def test_settings_of_this_trial_alone_stand_in_the_command_that_repeats_it(record: TrialRecord) -> None:
    overrides = {"split.test": 0.3, "title": "a $b", "prompts.variants": ["a"]}
    case = record.case.model_copy(update={"overrides": overrides})
    assert "tunegate run small --set split.test=0.3 --set title='a $b' --set prompts.variants='[\"a\"]'" in shown(
        replace(record, case=case)
    )


def test_nobody_takes_the_embedded_provider_for_a_language_model(record: TrialRecord) -> None:
    assert "no language model" in shown(record)
    provider = record.case.use_case.provider.model_copy(update={"name": "openai"})
    assert "no language model" not in shown(with_use_case(record, provider=provider))


# ---------------------------------------------------------------- what was measured besides


def test_the_recommendation_and_its_main_reason_stand_beside_the_verdict(full: TrialRecord) -> None:
    text = shown(full)
    top = text[: text.index("Contents")]
    assert full.recommendation.sentence in top
    assert "Main reason: the prompt is at its limit, 12 prompts, best 82.5 %" in top
    for rule, fired in zip(full.recommendation.rules, ("✓ yes", "no", "? unknown"), strict=True):
        assert f"{rule.name} {fired} {rule.figure} {rule.says}" in text


def test_the_figures_that_a_signature_rests_on_stand_at_the_top(full: TrialRecord) -> None:
    text = shown(full)
    top = text[: text.index("Contents")]
    test = full.comparison.tests[0]
    for figure in (f"{100 * test.difference.value:+.1f}", "3.7 months", "$84.50 a month", "p95 latency, ms"):
        assert figure in top


def test_a_paired_test_says_which_it_is_and_what_it_could_have_shown(full: TrialRecord) -> None:
    text = shown(full)
    assert "exact McNemar; 98 groups of cases resampled" in text
    assert "24.8 % differ" in text
    assert "41 %" in text


def test_every_margin_stands_against_its_limit(full: TrialRecord) -> None:
    text = shown(full)
    pair = "tune-minimal against best-prompt"
    assert f"latency {pair} 1.14 × 1.04 × to 1.24 × no gate" in text
    assert f"cost {pair} 0.50 × 0.49 × to 0.51 × no gate" in text
    assert "general tasks tune-minimal against local-base-small -2.0 -5.5 to +1.5 -5.0" in text
    assert "cost tune-full against best-prompt unknown no price is known no gate" in text


def test_rules_stand_by_what_they_weigh(full: TrialRecord) -> None:
    text = shown(full)
    must, should, info = (text.index(heading) for heading in ("Must hold: one", "Should hold: said", "For information"))
    assert must < text.index("complete answers", must) < should < text.index("pays back", should) < info
    assert text.index("test size", info) < text.index("Margins", info)


def test_each_slice_says_how_many_cases_it_rests_on(full: TrialRecord) -> None:
    score = full.comparison.candidates[0].slices["length"]["long"]
    figures = [f"{100 * share:.1f} %" for share in (score.value, score.low, score.high)]
    assert f"length = long 17 {figures[0]} {figures[1]} to {figures[2]}" in shown(full)


def test_the_worst_labels_come_first_and_the_others_are_folded_away(full: TrialRecord) -> None:
    def many(comparison: Any) -> None:
        for item in comparison["candidates"]:
            score = item["by_label"]["fruit"]
            item["by_label"] = {f"label-{n:02}": score | {"f1": 0.9 - 0.01 * n} for n in range(14)}

    text = shown(with_changes(full, "comparison", many))
    assert text.index("label-13") < text.index("label-04") < text.index("The other 4") < text.index("label-03")


def test_an_extraction_is_told_field_by_field(full: TrialRecord) -> None:
    def fields(comparison: Any) -> None:
        for item in comparison["candidates"]:
            item.update(by_label={}, by_field={"order": item["by_label"]["fruit"]})

    text = shown(with_changes(full, "comparison", fields))
    assert "Field by field" in text and "order 26" in text
    assert "Label by label" not in text


def test_steadiness_and_confidence_are_told_in_figures_too(full: TrialRecord) -> None:
    text = shown(full)
    assert "best-prompt 50 5 times 97.0 % 2" in text
    assert "best-prompt 105 7.1 % 0.112" in text
    assert "Confidence 45 %: 38 % right of 4 cases." in text


def test_a_judge_comes_with_its_bias_and_how_far_to_believe_it(full: TrialRecord) -> None:
    text = shown(full)
    assert "59.0 % 52.0 % to 66.0 %" in text
    assert "48 / 28 / 29 62.3 % of decided 0.0396 56.0 % 50.0 % to 62.0 % 84.0 %" in text
    assert "On 60 pairs that people judged too, it agrees with them in 82.0 % (Cohen's kappa 0.63" in text
    assert "3 readings were no verdict" in text
    alone = with_changes(full, "comparison", lambda comparison: comparison["judge"].update(human=None))
    assert "Not compared with people." in shown(alone)


def test_what_a_tune_forgot_stands_beside_its_base_model(full: TrialRecord) -> None:
    assert "200 81.0 % 76.0 % to 86.0 % 83.0 % 78.0 % to 88.0 % -2.0 -5.5 to +1.5" in shown(full)


def test_failures_come_with_kinds_remedies_and_examples(full: TrialRecord) -> None:
    text, one = shown(full), full.failures.candidates[-1]
    assert one.remedies[0] in text
    assert "1 refused, 1 truncated" in text
    assert f"Systematic, {len(one.clusters[0].cases)} cases: {', '.join(TERMS)}" in text
    assert full.inputs[one.clusters[0].cases[0]] in text


def test_where_two_disagree_both_answers_are_shown(full: TrialRecord) -> None:
    text, two = shown(full), full.failures.disagreements[0]
    found = (two.both_right, two.only_candidate, two.only_reference, two.both_wrong)
    assert f"tune-minimal and best-prompt {' '.join(map(str, found))}" in text
    first = full.answers.query("case == @two.lost[0] and repeat == 0").set_index("candidate")["output"]
    assert f"tune-minimal {first['tune-minimal']} best-prompt {first['best-prompt']}" in text


def test_only_first_answers_are_quoted(full: TrialRecord) -> None:
    again = full.answers.assign(repeat=1, output="an answer to the same input, asked again")
    assert "asked again" not in shown(replace(full, answers=pd.concat([again, full.answers]))).split("Steadiness")[0]
    assert "an answer to the same input" not in shown(replace(full, answers=pd.concat([again, full.answers])))


def test_both_sides_effort_is_told(full: TrialRecord) -> None:
    text = shown(full)
    assert full.effort.sentence in text
    assert "15 prompts were tried on 40 validation cases" in text
    assert "search_budget: 40 rows instead of 60." in text
    assert "6 few-shot examples, more than 5" in text
    assert "The other 5 prompts" in text


def test_payback_comes_with_its_ranges_and_its_curve(full: TrialRecord) -> None:
    text = shown(full)
    assert "Monthly saving $84.50 ($46.50 to $122.50)" in text
    assert "Payback 3.7 months (at best 2.5 months, at worst never); the horizon is 6.0 months" in text
    assert "horizon, 6 months payback, 3.7 months" in text
    assert "12 $704.00 $248.00 $1,160.00" in text


def test_first_tokens_are_shown_where_answers_were_streamed(full: TrialRecord, record: TrialRecord) -> None:
    assert "first token, p50" in shown(full)
    assert "first token" not in shown(record)


def test_notes_of_the_comparison_are_there(full: TrialRecord) -> None:
    assert full.comparison.notes[0] in shown(full)


# ---------------------------------------------------------------- what it does not know or must not show


def test_an_unknown_price_says_unknown_and_never_zero(record: TrialRecord) -> None:
    def forget_prices(comparison: Any) -> None:
        for item in comparison["candidates"]:
            item["cost_per_request"] = None

    def forget_estimate(estimate: Any) -> None:
        estimate.update(total_cost=None, training_cost=None, answer_cost=None)

    def forget_payback(verdict: Any) -> None:
        unknown = ("monthly_saving", "one_off_cost", "payback_months", "break_even_requests_per_month")
        verdict["payback"] = dict.fromkeys(unknown) | {"notes": ["No price."]}

    def forget_search(search: Any) -> None:
        for tried in search["tried"]:
            tried["cost_per_request"] = None

    def forget_training(tuned: Any) -> None:
        tuned["training_cost"] = None

    def forget_cost(cost: Any) -> None:
        cost.update(estimated=None, actual=None, difference=None)
        for part in cost["parts"]:
            part.update(estimated=None, actual=None)

    def forget_effort(effort: Any) -> None:
        effort.update(prompt_cost=None, tune_cost=None)

    unknown = replace(record, spent=0.0)
    for field, change in {
        "comparison": forget_prices,
        "estimate": forget_estimate,
        "verdict": forget_payback,
        "search": forget_search,
        "tuned": forget_training,
        "cost": forget_cost,
        "effort": forget_effort,
    }.items():
        unknown = with_changes(unknown, field, change)
    text = shown(unknown)
    assert "Spent in this run unknown, at least $0.00: not every price is known" in text
    assert "Estimated before unknown (training unknown, answers unknown)" in text
    assert "Training unknown, unknown estimated" in text
    assert "Payback unknown" in text
    assert text.count("$") == 1


def test_failing_cases_are_quoted_where_the_text_policy_admits_it(record: TrialRecord) -> None:
    wrong = record.answers.query("candidate == @record.verdict.winner.name and score < 1")
    assert record.inputs[wrong["case"].iloc[0]] in shown(record)


def test_no_row_text_is_there_where_the_text_policy_forbids_it(record: TrialRecord) -> None:
    strict = with_use_case(record, text_policy=TextPolicy(excerpts_in_report=False))
    page = render(strict)
    assert not [text for text in record.inputs.values() if text in page]
    assert "keeps row text out of reports" in page


def test_words_of_inputs_go_the_same_way(full: TrialRecord) -> None:
    page = render(with_use_case(full, text_policy=TextPolicy(excerpts_in_report=False)))
    assert not [text for text in full.inputs.values() if text in page]
    assert not [term for term in TERMS if f"{term}," in page or f", {term}" in page]
    assert "Systematic, 5 cases" in page
    assert full.failures.candidates[-1].clusters[0].cases[0] in page


def test_a_trial_without_tune_slices_confusion_and_mistakes_has_a_page_too(record: TrialRecord) -> None:
    def only_the_prompt(comparison: Any) -> None:
        comparison.update(candidates=comparison["candidates"][:1], tests=[], confusion={})
        comparison["candidates"][0].update(by_slice={}, slices={}, by_label={}, macro_f1=None)

    def kept(verdict: Any) -> None:
        prompt = record.comparison.candidates[0].candidate.model_dump()
        verdict.update(decision="keep", winner=prompt, challenger=None, payback=None, rules=[])

    bare = with_changes(with_changes(record, "comparison", only_the_prompt), "verdict", kept)
    prompts = bare.answers[bare.answers["candidate"] == "best-prompt"].assign(score=1.0)
    none = FailureReport(candidates=[], disagreements=[])
    text = shown(replace(bare, tuned=None, answers=prompts, failures=none))
    assert "Slices" not in text
    assert "What it is worth" not in text
    assert "What best-prompt still gets wrong Nothing on these cases." in text
    assert "n/a" in text


def test_a_metric_other_than_accuracy_stands_beside_the_exact_matches(record: TrialRecord) -> None:
    def by_fields(comparison: Any) -> None:
        comparison["metric"] = "field_f1"
        comparison["candidates"][0]["accuracy"] = 0.123

    text = shown(with_changes(record, "comparison", by_fields))
    assert "field_f1" in text
    assert "12.3" in text
