import json
from pathlib import Path

import pytest
from aiohttp import web

import data_contracts
from data_contracts.evaluation import General
from tasks.errors import ConfigurationError
from tasks.evaluate.answer import Answer, answer_all
from tasks.evaluate.general import Tuned, general_score, is_right, questions, read_tasks
from tasks.ledger import Ledger
from tests.evaluate.scripted_endpoint import completion, scripted_endpoint

EVERYDAY = Path(data_contracts.__file__).parent / "general" / "everyday.jsonl"
SETTINGS = General(file="general.jsonl")
TUNED = Tuned("tune-minimal", "ft:small:1", "small")


def task(text, expected):
    return json.dumps({"input": text, "expected": expected})


def tasks(count):
    return read_tasks("\n".join(task(f"{n} + 1?", str(n + 1)) for n in range(count)).encode(), "general.jsonl")


def told(asked, of, outcome="answered"):
    """An answer to each question: what `of` makes of model and case."""
    return [
        Answer(item.candidate, item.case, item.request, of(item), outcome, "stop", 1.0, 1, 1, False) for item in asked
    ]


def test_a_model_is_asked_the_plain_messages_and_nothing_of_ours():
    content = task("2 + 2?", "4") + "\n" + '{"messages": [{"role": "user", "content": "Hi"}], "expected": "hello"}'
    [first, second] = questions(read_tasks(content.encode(), "f"), ["small"], SETTINGS, "id", "there")
    assert json.loads(first.body) == {
        "model": "small",
        "messages": [{"role": "user", "content": "2 + 2?"}],
        "temperature": 0,
        "max_tokens": 64,
    }
    assert json.loads(second.body)["messages"] == [{"role": "user", "content": "Hi"}]
    assert (first.candidate, first.endpoint) == ("small", "there")


def test_two_tunes_of_one_base_model_ask_it_once():
    asked = questions(tasks(3), ["ft:1", "small", "ft:2", "small"], SETTINGS, "id")
    assert [question.model for question in asked] == ["ft:1"] * 3 + ["small"] * 3 + ["ft:2"] * 3


@pytest.mark.parametrize(
    ("output", "expected", "exact", "contains"),
    [
        ("Paris", "paris", True, True),
        ("  **Paris.**\n", "Paris", True, True),
        ("It is Paris, of course", "Paris", False, True),
        ("Parisian", "Paris", False, False),
        ("3,  5,\n8", "3, 5, 8", True, True),
        ("The answer is 12.", "12", False, True),
        ("12.5", "12", False, False),
        ("1,112", "112", False, False),
        ("-12", "12", False, False),
        ("-12", "-12", True, True),
        ('{"a":1}', '{"a":1}', True, True),
        ("", "4", False, False),
    ],
)
def test_an_answer_is_right_case_space_and_outer_punctuation_aside(output, expected, exact, contains):
    assert is_right(output, expected, "exact") is exact
    assert is_right(output, expected, "contains") is contains


def test_the_tune_stands_beside_its_base_model_task_by_task():
    asked = questions(tasks(100), ["ft:small:1", "small"], SETTINGS, "id")

    def forgetful(question):
        case = int(question.case.removeprefix("line "))
        known = case > 20 if question.model == "ft:small:1" else case <= 90
        return str(case) if known else "no idea"

    found = general_score(tasks(100), told(asked, forgetful), SETTINGS, TUNED)
    assert (found.candidate, found.base_model, found.cases) == ("tune-minimal", "small", 100)
    assert (found.score.value, found.base.value) == (0.8, 0.9)
    assert found.difference.value == pytest.approx(-0.1)
    assert found.difference.low < -0.1 < found.difference.high
    assert found.score.low == pytest.approx(0.711, abs=0.001)  # Wilson's of 80 in 100


@pytest.mark.parametrize("outcome", ["refused", "truncated", "filtered", "rejected"])
def test_what_is_no_answer_is_wrong_for_both_alike(outcome):
    asked = questions(tasks(4), ["ft:small:1", "small"], SETTINGS, "id")
    found = general_score(tasks(4), told(asked, lambda item: item.case[5:], outcome), SETTINGS, TUNED)
    assert (found.score.value, found.base.value, found.cases) == (0.0, 0.0, 4)


def test_a_task_at_which_a_request_failed_is_left_out_and_a_base_model_that_is_away_is_no_zero():
    known = tasks(4)
    tune, base = (
        told(questions(known, [model], SETTINGS, "id"), lambda item: item.case.removeprefix("line "))
        for model in ("ft:small:1", "small")
    )
    away = told(questions(known, ["small"], SETTINGS, "id"), lambda item: "", "failed")
    assert general_score(known, tune + base[:3] + away[3:], SETTINGS, TUNED).cases == 3
    assert general_score(known, tune + away, SETTINGS, TUNED) is None


def test_forgetting_is_measured_over_the_wire(tmp_path):
    known = tasks(40)

    async def script(arrival) -> web.Response:
        number = int(arrival.body["messages"][-1]["content"].split()[0])
        forgotten = arrival.body["model"] == "ft:small:1" and number % 4 == 0
        return completion("billing_question" if forgotten else f"{number + 1}.")

    with scripted_endpoint(script) as server:
        asked = questions(known, ["ft:small:1", "small"], SETTINGS, server.url)
        store = Ledger(f"sqlite:///{tmp_path}/ledger.db")
        found = general_score(
            known, answer_all(asked, {"": server.endpoint()}, store, lambda done, of: None), SETTINGS, TUNED
        )
    assert (found.score.value, found.base.value, found.difference.value) == (0.75, 1.0, -0.25)
    assert found.difference.high < 0


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"input": "secret"}', "line 2: expected"),
        ('{"expected": "secret"}', "line 2: .*either messages or input"),
        ('{"input": "secret", "messages": [{"role": "user", "content": "x"}], "expected": "1"}', "line 2: .*either"),
        ('{"messages": [{"role": "user", "content": ""}], "expected": "1"}', r"line 2: messages\.0\.content"),
        ('{"messages": [{"role": "bot", "content": "secret"}], "expected": "1"}', r"line 2: messages\.0\.role"),
        ('{"messages": [{"role": "assistant", "content": "secret"}], "expected": "1"}', "line 2: .*not the user's"),
        ('{"input": "secret", "expected": " . "}', "line 2: .*expected is empty"),
        ('{"input": "secret', "line 2: the line"),
        ('{"input": "0 + 1?", "expected": "secret"}', "line 2: asks what line 1 asks"),
    ],
)
def test_a_wrong_line_is_named_with_its_field_and_not_quoted(line, told):
    with pytest.raises(ConfigurationError, match=f"general.jsonl, {told}") as stopped:
        read_tasks((task("0 + 1?", "1") + "\n" + line).encode(), "general.jsonl")
    assert "secret" not in f"{stopped.value} {stopped.value.__context__}"


def test_an_empty_set_is_an_error():
    with pytest.raises(ConfigurationError, match="has no record"):
        read_tasks(b"\n", "general.jsonl")


def test_the_bundled_set_is_valid_asks_nothing_twice_and_is_solvable():
    known = read_tasks(EVERYDAY.read_bytes(), "everyday.jsonl")
    assert len(known) >= 60
    assert all(is_right(one.expected, one.expected, match) for one in known.values() for match in ("exact", "contains"))
    assert max(len(one.expected) for one in known.values()) < 2 * SETTINGS.max_tokens


def test_one_and_the_same_answer_solves_almost_nothing_of_the_bundled_set():
    expected = [one.expected for one in read_tasks(EVERYDAY.read_bytes(), "everyday.jsonl").values()]
    assert max(expected.count(text) for text in expected) <= 4
