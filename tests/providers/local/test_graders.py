"""What graders give, and how they are run and checked over HTTP."""

import pytest
from openai import BadRequestError, OpenAI
from pydantic import ValidationError

from tasks.providers.local.graders import Case, MissingVariableError, calculate, grader_of
from tasks.providers.local.learning.likeness import LIKENESS

EQUAL = '"type": "string_check", "name": "n", "input": "{{ sample.output_text }}", "reference": "{{item.answer}}"'


def grade(operation: str, answer: str, wanted: str) -> float:
    grader = grader_of(f'{{{EQUAL}, "operation": "{operation}"}}')
    return grader.grade(Case(answer, {"answer": wanted}))


@pytest.mark.parametrize(
    ("operation", "answer", "wanted", "reward"),
    [
        ("eq", "refund", "refund", 1),
        ("eq", "Refund", "refund", 0),
        ("ne", "Refund", "refund", 1),
        ("like", "a refund", "refund", 1),
        ("like", "a Refund", "refund", 0),
        ("ilike", "a Refund", "refund", 1),
    ],
)
def test_a_string_check_gives_one_or_nothing(operation, answer, wanted, reward):
    assert grade(operation, answer, wanted) == reward


@pytest.mark.parametrize("metric", LIKENESS)
def test_equal_texts_are_wholly_alike_and_foreign_ones_not_at_all(metric):
    text = "the order is on its way to you"
    assert LIKENESS[metric](text, text) == pytest.approx(1, abs=0.01)
    assert LIKENESS[metric](text, "qqq zzz") < 0.2


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("rouge_1", 4 / 5),  # 4 of 5 words each
        ("rouge_2", 2 / 4),  # "the cat", "a mat"
        ("rouge_l", 4 / 5),
        ("cosine", 4 / 5),
        ("gleu", 6 / 14),  # 4 + 2 of the 5 + 4 + 3 + 2 n-grams
        ("fuzzy_match", 2 * 15 / 34),
    ],
)
def test_likeness_is_what_its_definition_says(metric, value):
    assert LIKENESS[metric]("the cat on a mat", "the cat near a mat") == pytest.approx(value, abs=0.06)


def test_a_template_reaches_into_the_answers_json_and_the_item():
    case = Case('{"order": {"codes": ["A-1"]}}', {"wanted": 5})
    assert case.fill("{{sample.output_json.order.codes.0}}/{{ item.wanted }}") == "A-1/5"


@pytest.mark.parametrize("template", ["{{item.nothing}}", "{{sample.output_json.x}}", "{{other}}"])
def test_a_variable_that_is_not_there_is_missed(template):
    with pytest.raises(MissingVariableError):
        Case("no json", {}).fill(template)


def test_a_formula_puts_rewards_together():
    assert calculate("0.5 * a + max(b, 0.2)^2", {"a": 1.0, "b": 0.0}) == pytest.approx(0.54)


@pytest.mark.parametrize(
    "formula", ["a +", "unknown", "().__class__", "__import__('os')", "a if a else b", "1/0", "9**9**9**9", "min(a=1)"]
)
def test_a_formula_is_arithmetic_and_nothing_else(formula):
    with pytest.raises(ValueError, match="formula"):
        calculate(formula, {"a": 1.0, "b": 2.0})


def test_a_grader_that_runs_code_is_refused():
    with pytest.raises(ValidationError, match="python"):
        grader_of('{"type": "python", "name": "n", "source": "x"}')


def test_a_grader_is_run_on_one_answer(openai: OpenAI):
    equal = {"type": "string_check", "name": "e", "input": "{{sample.output_text}}", "reference": "{{item.label}}"}
    multi = {"type": "multi", "name": "both", "graders": {"e": {**equal, "operation": "eq"}}, "calculate_output": "e/2"}
    ran = openai.fine_tuning.alpha.graders.run(grader=multi, model_sample="refund", item={"label": "refund"})
    assert (ran.reward, ran.sub_rewards, ran.metadata.errors.invalid_variable_error) == (0.5, {"e": 1.0}, False)
    without = openai.fine_tuning.alpha.graders.run(grader=multi, model_sample="refund", item={})
    assert (without.reward, without.metadata.errors.invalid_variable_error) == (0, True)


def test_a_grader_is_checked(openai: OpenAI):
    good = {"type": "string_check", "name": "e", "input": "a", "reference": "b", "operation": "eq"}
    assert openai.fine_tuning.alpha.graders.validate(grader=good).grader.to_dict() == good
    with pytest.raises(BadRequestError) as refused:
        openai.fine_tuning.alpha.graders.validate(grader={**good, "operation": "equals"})
    assert refused.value.param == "grader.operation"
