"""An answer of tool calls is kept as their canonical text, and scored call by call."""

import pytest

from data_contracts.use_case import TaskKind
from tasks.evaluate.score import is_exact
from tasks.providers.completions import complete
from tests.evaluate.made_answers import answers, scored
from tests.evaluate.scripted_endpoint import completion, scripted_endpoint
from tests.evaluate.test_answer import always, ask, question

CALL = {"id": "call_9", "type": "function", "function": {"name": "find", "arguments": '{"b": 1, "a": "x"}'}}
TEXT = '{"tool_calls":[{"arguments":{"a":"x","b":1},"name":"find"}]}'
OTHER = '{"tool_calls":[{"arguments":{"a":"y","b":1},"name":"find"}]}'
BOTH = TEXT[:-2] + "," + OTHER.removeprefix('{"tool_calls":[')


def test_calls_of_a_reply_become_their_text():
    with scripted_endpoint(always(lambda: completion(None, "tool_calls", tool_calls=[CALL]))) as server:
        (answer,) = ask([question("where?")], server)
    assert (answer.output, answer.outcome, answer.finish_reason) == (TEXT, "answered", "tool_calls")


def test_calls_that_were_cut_off_count_as_truncated():
    with scripted_endpoint(always(lambda: completion(None, "length", tool_calls=[CALL]))) as server:
        (answer,) = ask([question("where?")], server)
    assert answer.outcome == "truncated"


def test_a_served_model_answers_with_the_same_text():
    with scripted_endpoint(always(lambda: completion(None, "tool_calls", tool_calls=[CALL]))) as server:
        body = {"model": "m", "messages": [{"role": "user", "content": "where?"}]}
        assert complete(server.endpoint(), [body]) == [TEXT]


@pytest.mark.parametrize("kind", [TaskKind.FREE_TEXT, TaskKind.EXTRACTION])
def test_calls_score_by_f1_over_calls_whatever_fields_the_contract_names(kind):
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    given = answers("a", [TEXT, OTHER, BOTH, "It left."], [TEXT] * 4)
    assert scored(given, kind=kind, output_schema=schema)["score"].tolist() == pytest.approx([1, 0, 2 / 3, 0])


def test_calls_are_exact_where_every_argument_is():
    assert is_exact(TEXT, TEXT, TaskKind.FREE_TEXT)
    assert not is_exact(TEXT, OTHER, TaskKind.FREE_TEXT)
