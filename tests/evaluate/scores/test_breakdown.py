import json

import pandas as pd
import pytest

from data_contracts.use_case import TaskKind
from tasks.evaluate.comparison.measure import ComparisonError, measure, overall
from tasks.evaluate.score import BY_KIND, ScorePolicy
from tasks.evaluate.scores.breakdown import by_field, by_label, exact_match, further, schema_adherence
from tasks.evaluate.scores.own_score import OwnScore
from tasks.prompting.prompt import Renderer
from tests.evaluate.made_answers import answers, candidate, contract, scored

CALL = '{"tool_calls":[{"arguments":{},"name":"look"}]}'
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def objects(given, expected, **columns):
    return answers("a", [json.dumps(one) for one in given], [json.dumps(one) for one in expected], **columns)


def figures(scores):
    """Name to cases, precision, recall and F1."""
    return {
        name: (of.cases, *(round(figure, 3) for figure in (of.precision, of.recall, of.f1)))
        for name, of in scores.items()
    }


def test_a_label_has_precision_recall_and_f1_over_all_cases():
    side = answers("a", ["x", "x", "y", "y"], ["x", "y", "y", "y"])
    assert figures(by_label(side)) == {
        "x": (1, 0.5, 1.0, 0.667),
        "y": (3, 1.0, 0.667, 0.8),
    }


def test_an_unanswered_case_is_missed_by_its_label_and_claimed_by_none():
    side = answers("a", ["x", "x"], ["x", "x"], outcome=["answered", "refused"])
    assert figures(by_label(side)) == {"x": (2, 1.0, 0.5, 0.667)}


def test_the_mean_f1_of_the_labels_is_macro_f1():
    side = scored(answers("a", ["x", "z", "y", "w"], ["x", "y", "y", "z"]))
    macro = overall(measure([side], "macro_f1", TaskKind.CLASSIFICATION))[0]
    labels = by_label(side).values()
    assert sum(label.f1 for label in labels) / len(labels) == pytest.approx(macro)


def test_a_field_pools_its_values_over_the_cases():
    given = [{"city": "Ulm", "items": ["a", "b"]}, {"city": "Bonn"}, {"city": None}]
    expected = [{"city": "ulm", "items": ["b", "c", "d"]}, {"city": "Ulm"}, {"city": "Kiel"}]
    found = figures(by_field(objects(given, expected)))
    assert found == {
        "city": (3, 0.5, 0.333, 0.4),
        "items": (1, 0.5, 0.333, 0.4),
    }


def test_a_field_that_nobody_expects_costs_precision_and_one_that_is_not_named_does_not_count():
    side = objects([{"city": "Ulm", "zip": "1"}], [{"city": "Ulm"}])
    assert figures(by_field(side))["zip"] == (0, 0.0, 0.0, 0.0)
    assert list(by_field(side, {"city"})) == ["city"]


def test_an_unanswered_case_claims_no_field_and_misses_all_of_its_own():
    side = objects([{"city": "Ulm"}] * 2, [{"city": "Ulm"}] * 2, outcome=["answered", "truncated"])
    assert figures(by_field(side))["city"] == (2, 1.0, 0.5, 0.667)


def test_tool_calls_are_one_field():
    assert figures(by_field(answers("a", [CALL], [CALL]), {"city"})) == {"tool_calls": (1, 1.0, 1.0, 1.0)}


def test_exact_match_looks_at_the_output_as_it_stands():
    side = answers("a", ["x", "x", "x"], ["x"] * 3, output=["x", " x", "x"], outcome=["answered"] * 2 + ["refused"])
    assert exact_match(side) == pytest.approx(1 / 3)


def test_format_adherence_of_an_extraction_is_validity_by_the_contracts_schema():
    renderer = Renderer(TaskKind.EXTRACTION, contract(output_schema=SCHEMA), ())
    prompt = candidate("a").prompt
    texts = ['{"city": "Ulm"}', '{"city": 5}', "{}", "Ulm", '```json\n{"city": "Ulm"}\n```', '["Ulm"]']
    assert [renderer.parse(text, prompt) is not None for text in texts] == [True, False, False, False, True, False]


def test_tool_calls_in_place_of_an_object_do_not_adhere_to_its_schema():
    side = answers("a", ['{"city":"Ulm"}', CALL, "", CALL], ['{"city":"Ulm"}'] * 3 + [CALL])
    side["outcome"] = ["answered", "answered", "unparsable", "answered"]
    assert schema_adherence(side) == pytest.approx(1 / 3)
    assert schema_adherence(answers("a", [CALL], [CALL])) is None


def test_further_metrics_are_those_that_do_not_decide():
    kept = contract(output_schema=SCHEMA)
    side = answers("a", ['{"city":"Ulm"}'], ['{"city":"Ulm"}'])
    own = ScorePolicy("custom", OwnScore("own:half", lambda *_: 0.5), {"c000": "asked"})
    texts = TaskKind.FREE_TEXT
    assert further(side, TaskKind.CLASSIFICATION, kept, BY_KIND) == {"exact_match": 1.0}
    assert further(side, TaskKind.EXTRACTION, kept, ScorePolicy("field_f1")) == {
        "schema_adherence": 1.0,
        "exact_match": 1.0,
    }
    assert further(side, texts, kept, ScorePolicy("chrf")) == {"text_f1": 1.0, "exact_match": 1.0}
    assert further(side, texts, kept, own) == {"text_f1": 1.0, "chrf": pytest.approx(1.0), "exact_match": 1.0}
    beside = ScorePolicy("text_f1", own.scorer, own.inputs)
    assert further(side, texts, kept, beside) == {"chrf": pytest.approx(1.0), "custom": 0.5, "exact_match": 1.0}


@pytest.mark.parametrize(
    "of",
    [
        by_label,
        by_field,
        exact_match,
        schema_adherence,
        lambda side: further(side, TaskKind.FREE_TEXT, contract(), BY_KIND),
    ],
    ids=["by_label", "by_field", "exact_match", "schema_adherence", "further"],
)
def test_no_case_at_all_is_an_error_and_never_a_zero(of):
    none: pd.DataFrame = answers("a", [], [])
    with pytest.raises(ComparisonError, match="no answer to any case"):
        of(none)
