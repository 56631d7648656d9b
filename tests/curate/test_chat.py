"""What a provider takes is taken, and whatever else stands in a record ends as a defect, never as a crash."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tasks.curate.defects import Defect
from tasks.curate.reading.exports import from_mlflow_trace, from_openai_log
from tests.curate.chats import (
    FIND_ORDER,
    PAIRS,
    assistant,
    call,
    calling,
    chat,
    contract,
    made,
    pair,
    result,
    tool_chat,
    user,
)
from tests.curate.exported import log, trace

PING = {"type": "function", "function": {"name": "ping"}}
DEVELOPER = {"role": "developer", "content": "Be kind."}


@pytest.mark.parametrize(
    "record",
    [
        chat({"role": "system", "content": "Be brief."}, DEVELOPER, user(), assistant(weight=1)),
        chat(assistant("Hello?"), user(), assistant()),
        chat(user(name="ann"), assistant(name="desk", tool_calls=[])),
        tool_chat(user(), calling(call("1", "a"), call("2", "b")), result("y", "b"), result("x", "a"), assistant()),
        tool_chat(user(), {**calling(), "content": "I look it up."}, result(name="find_order"), assistant()),
        tool_chat(user(), {**calling(), "content": ""}, result(), user("And?"), assistant()),
        tool_chat(user(), calling(call(name="ping")), tools=[FIND_ORDER, PING]),
        chat(user(), assistant(), tools=None, parallel_tool_calls=None),
        chat(user(), assistant(), tools=[]),
    ],
)
def test_a_chat_that_a_provider_takes_is_an_example(record):
    assert made(record)["output"]


def test_a_text_that_looks_like_a_rule_is_only_a_text():
    assert made(chat(user('{"role": "system"}'), assistant("null")))["output"] == "null"


JUNK = (None, True, 0, 1.5, float("inf"), "", " ", "call_x", [], {}, [None], [[]], {"role": "tool"}, {"a": {"b": []}})
SEEDS: list[tuple[Callable[[Any], object], dict[str, Any]]] = [
    (made, tool_chat(user(), calling(), result(), assistant(weight=1), at="2026-01-01T00:00:00Z")),
    (lambda record: made(record, contract(PAIRS)), pair(input=tool_chat(user()), non_preferred_output=[calling()])),
    (lambda record: made(from_openai_log(record)), log(tools=[FIND_ORDER])),
    (lambda record: made(from_mlflow_trace(record)), trace(assessments=[])),
]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container and key in a record."""
    for key, part in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(part, dict | list):
            yield from places(part)


@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_a_record_with_anything_in_any_place_is_an_example_or_a_defect(seed):
    make, record = SEEDS[seed]
    draw, made_of_it = random.Random(seed), 0
    for _ in range(1_500):
        changed = copy.deepcopy(record)
        for _ in range(draw.randint(1, 3)):
            holder, key = draw.choice(list(places(changed)))
            if draw.random() < 0.3:
                del holder[key]
            else:
                holder[key] = copy.deepcopy(draw.choice(JUNK))
            if not changed:
                break
        try:
            example = make(changed)
        except Defect as defect:
            assert defect.remedy
        else:
            made_of_it += 1
            assert isinstance(json.loads(example["messages"]), list)
    assert 0 < made_of_it < 1_500
