"""report.html: everything that was found, nothing that must not be seen, and no other file needed to read it."""

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from pydantic import BaseModel

from data_contracts.money import usd
from data_contracts.trial import TrialRecord
from data_contracts.use_case import TextPolicy
from tasks.register.report import render
from tests.stepwise import Finished

EVIL = '<script>alert("x")</script> & <img src=x onerror="y">'
VOID = {"meta", "br", "img", "link", "hr", "input"}


@pytest.fixture
def record(finished: Finished) -> TrialRecord:
    return finished.record


class Page(HTMLParser):
    """Text and tags of a page; AssertionError where a tag is not closed in its turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == [], "not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def shown(record: TrialRecord) -> str:
    """The page's text, as it is read."""
    return Page(render(record)).text


def with_changes(record: TrialRecord, field: str, change: Callable[[Any], None]) -> TrialRecord:
    """The record with one of its documents changed, as JSON."""
    document: BaseModel = getattr(record, field)
    plain = document.model_dump()
    change(plain)
    return replace(record, **{field: type(document).model_validate(plain)})


def with_use_case(record: TrialRecord, **changes: Any) -> TrialRecord:
    use_case = record.case.use_case.model_copy(update=changes)
    return replace(record, case=record.case.model_copy(update={"use_case": use_case}))


# ---------------------------------------------------------------- form


def test_every_tag_is_closed_in_its_turn(record: TrialRecord) -> None:
    page = Page(render(record))
    assert [tag for tag, _ in page.tags][:2] == ["html", "head"]
    assert [tag for tag, _ in page.tags].count("h1") == 1


def test_the_page_refers_to_nothing_outside_itself(record: TrialRecord) -> None:
    page = render(record)
    attributes = {name for _, attributes in Page(page).tags for name in attributes}
    assert not attributes & {"src", "href", "action", "background", "srcset", "onload", "onerror"}
    assert not {tag for tag, _ in Page(page).tags} & {"script", "iframe", "link", "object", "embed", "base"}
    assert not re.search(r"https?://|url\(|@import", page)


def test_texts_that_look_like_html_are_shown_as_text(record: TrialRecord) -> None:
    answers = record.answers.assign(output=EVIL, expected=EVIL, score=0.0)
    evil = with_use_case(replace(record, answers=answers, inputs=dict.fromkeys(record.inputs, EVIL)), title=EVIL)
    evil = with_changes(evil, "verdict", lambda verdict: verdict.update(reasons=[EVIL]))
    page = render(evil)
    assert "<script" not in page
    assert "<img" not in page
    assert Page(page).text.count('<script>alert("x")</script>') > 3


# ---------------------------------------------------------------- what it says


def test_verdict_and_reasons_come_first(record: TrialRecord) -> None:
    text = shown(record)
    assert text.index("promote") < text.index("Candidates on the sealed test set")
    for reason in record.verdict.reasons:
        assert reason in text
    for rule in record.verdict.rules:
        assert rule.name in text
        assert rule.figure in text


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


# ---------------------------------------------------------------- what it does not know or must not show


def test_an_unknown_price_says_unknown_and_never_zero(record: TrialRecord) -> None:
    def forget_prices(comparison: Any) -> None:
        for item in comparison["candidates"]:
            item["cost_per_request"] = None

    def forget_estimate(estimate: Any) -> None:
        estimate.update(total_cost=None, training_cost=None, answer_cost=None)

    def forget_payback(verdict: Any) -> None:
        verdict["payback"] = dict.fromkeys(verdict["payback"]) | {"notes": ["No price."]}

    def forget_search(search: Any) -> None:
        for tried in search["tried"]:
            tried["cost_per_request"] = None

    def forget_training(tuned: Any) -> None:
        tuned["training_cost"] = None

    def forget_cost(cost: Any) -> None:
        cost.update(estimated=None, actual=None, difference=None)
        for part in cost["parts"]:
            part.update(estimated=None, actual=None)

    unknown = replace(record, spent=0.0)
    for field, change in {
        "comparison": forget_prices,
        "estimate": forget_estimate,
        "verdict": forget_payback,
        "search": forget_search,
        "tuned": forget_training,
        "cost": forget_cost,
    }.items():
        unknown = with_changes(unknown, field, change)
    text = shown(unknown)
    assert "Spent in this run unknown, at least $0.00: not every price is known" in text
    assert "Estimated before unknown (training unknown, answers unknown)" in text
    assert "training unknown, unknown estimated" in text
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


def test_a_trial_without_tune_slices_confusion_and_mistakes_has_a_page_too(record: TrialRecord) -> None:
    def only_the_prompt(comparison: Any) -> None:
        comparison.update(candidates=comparison["candidates"][:1], tests=[], confusion={})
        comparison["candidates"][0].update(by_slice={}, macro_f1=None)

    def kept(verdict: Any) -> None:
        prompt = record.comparison.candidates[0].candidate.model_dump()
        verdict.update(decision="keep", winner=prompt, challenger=None, payback=None, rules=[])

    bare = with_changes(with_changes(record, "comparison", only_the_prompt), "verdict", kept)
    prompts = bare.answers[bare.answers["candidate"] == "best-prompt"].assign(score=1.0)
    text = shown(replace(bare, tuned=None, answers=prompts))
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
