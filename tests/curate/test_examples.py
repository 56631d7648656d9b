"""A record becomes one example: what is asked, the answer, and what rows are compared by."""

import json

import pytest

from data_contracts.data_policy import Privacy
from data_contracts.records import EXAMPLE_COLUMNS
from data_contracts.text import words_hash
from data_contracts.use_case import TaskKind
from tests.curate.chats import (
    FIND_ORDER,
    FLAT,
    PAIRS,
    assistant,
    call,
    calling,
    chat,
    contract,
    made,
    pair,
    refused,
    result,
    tool_chat,
    user,
)

PLACE = {"file", "line", "offset", "length"}
SYSTEM = {"role": "system", "content": "Be brief."}


def messages(example):
    return json.loads(example["messages"])


def test_an_example_has_every_column_but_its_place_and_only_texts():
    example = made({"prompt": "a", "completion": "b"}, contract(FLAT))
    assert set(example) == set(EXAMPLE_COLUMNS) - PLACE
    assert all(isinstance(value, str) for value in example.values())


def test_prompt_and_completion_become_one_question_and_its_answer():
    example = made({"id": "7", "prompt": "Where is it?", "completion": "Here."}, contract(FLAT))
    assert messages(example) == [{"role": "user", "content": "Where is it?"}]
    assert (example["id"], example["group"], example["output"]) == ("7", "7", "Here.")
    assert (example["rejected"], example["tools"]) == ("", "")


def test_the_last_message_of_a_chat_is_the_answer():
    example = made(chat(SYSTEM, user("Hello"), assistant("Yes?"), user("My card?"), assistant("Blocked.")))
    assert [message["role"] for message in messages(example)] == ["system", "user", "assistant", "user"]
    assert example["output"] == "Blocked."


def test_a_chat_may_have_its_answer_in_a_column_of_its_own():
    shape = {
        "columns": {"chat": {"type": "messages"}, "label": {}},
        "mapping": {"messages": "chat", "output": "label"},
    }
    example = made({"chat": [user("My card?")], "label": "cards"}, contract(shape))
    assert (messages(example), example["output"]) == ([user("My card?")], "cards")


def test_a_chat_may_stand_in_a_text_column_as_json():
    shape = {"columns": {"chat": {}}, "mapping": {"messages": "chat"}}
    text = json.dumps([user(), assistant()])
    assert made({"chat": text}, contract(shape))["output"] == "On its way."


def test_text_parts_are_joined_and_empty_keys_are_left_out():
    parts = [{"type": "text", "text": "My card"}, {"type": "text", "text": "is gone"}]
    answer = assistant("Blocked.", refusal=None, tool_calls=None, annotations=[], audio=None, function_call=None)
    assert messages(made(chat(user(parts, name=None), answer))) == [user("My card\nis gone")]


def test_a_message_keeps_what_it_needs_to_be_sent_again():
    asked = [user(name="ann"), assistant("Which one?", weight=0), user("7"), calling(), result()]
    example = made(tool_chat(*asked, assistant()))
    kept = messages(example)
    assert kept[0]["name"] == "ann" and kept[1]["weight"] == 0
    assert kept[3]["tool_calls"][0]["function"] == call()["function"]
    assert kept[4] == {"role": "tool", "content": "shipped", "tool_call_id": kept[3]["tool_calls"][0]["id"]}


def test_ids_of_calls_do_not_tell_two_exports_of_one_chat_apart():
    one, other = (
        made(tool_chat(user(), calling(call(identity=identity)), result(identity=identity), assistant()))
        for identity in ("call_9", "toolu_77")
    )
    assert one == other


def test_an_answer_of_tool_calls_is_canonical_json_without_ids():
    two = calling(call("7", "a"), call("8", "b"))
    assert json.loads(made(tool_chat(user(), two))["output"]) == {
        "tool_calls": [
            {"name": "find_order", "arguments": {"number": "7"}},
            {"name": "find_order", "arguments": {"number": "8"}},
        ]
    }


def test_tools_are_kept_as_a_request_carries_them_in_the_order_of_their_keys():
    example = made(tool_chat(parallel_tool_calls=False))
    assert example["tools"] == json.dumps({"tools": [FIND_ORDER], "parallel_tool_calls": False})


def test_tools_may_stand_in_a_text_column_as_json():
    shape = {
        "columns": {"messages": {"type": "messages"}, "tools": {}},
        "mapping": {"messages": "messages", "tools": "tools"},
    }
    assert made(tool_chat(tools=json.dumps([FIND_ORDER])), contract(shape)) == made(tool_chat())


def test_a_preference_pair_keeps_both_answers():
    example = made(pair(), contract(PAIRS))
    assert (example["output"], example["rejected"]) == ("On its way.", "No idea.")
    assert messages(example) == [user()]


def test_a_preference_pair_may_be_flat():
    shape = {
        "columns": {"prompt": {}, "chosen": {}, "rejected": {}},
        "mapping": {"input": "prompt", "output": "chosen", "rejected": "rejected"},
    }
    example = made({"prompt": "a", "chosen": "b", "rejected": "c"}, contract(shape))
    assert (example["output"], example["rejected"]) == ("b", "c")


def test_a_preference_pair_brings_its_tools_in_its_input():
    asked = tool_chat(user(), parallel_tool_calls=False)
    example = made(pair(input=asked, preferred_output=[calling()]), contract(PAIRS))
    assert json.loads(example["tools"]) == {"tools": [FIND_ORDER], "parallel_tool_calls": False}
    assert example["output"] == '{"tool_calls":[{"arguments":{"number":"7"},"name":"find_order"}]}'


@pytest.mark.parametrize(
    ("turns", "text"),
    [
        ("user", "Where is order 7?\nAnd 8?"),
        ("last_user", "And 8?"),
        (
            "conversation",
            'Where is order 7?\n{"tool_calls":[{"arguments":{"number":"7"},"name":"find_order"}]}\nshipped\n'
            "It left.\nAnd 8?",
        ),
    ],
)
def test_rows_are_compared_by_the_turns_that_the_mapping_names(turns, text):
    asked = [SYSTEM, user(), calling(), result(), assistant("It left."), user("And 8?")]
    example = made(tool_chat(*asked, assistant()), contract(compare=turns))
    assert (example["input"], example["words"]) == (text, words_hash(text))


@pytest.mark.parametrize(
    "change",
    [
        {"messages": [SYSTEM, user(), calling(), result(), assistant()]},
        {"messages": [user(), calling(), result(), assistant("Another answer.")]},
        {"tools": [FIND_ORDER, {"type": "function", "function": {"name": "ping"}}]},
    ],
)
def test_the_content_hash_differs_where_anything_that_is_sent_does(change):
    assert made(tool_chat())["content"] == made(tool_chat())["content"] != made(tool_chat(**change))["content"]


def test_the_content_hash_covers_the_answer_that_is_not_preferred():
    other = pair(non_preferred_output=[assistant("Maybe.")])
    assert made(pair(), contract(PAIRS))["content"] != made(other, contract(PAIRS))["content"]


def test_an_id_that_a_row_has_not_is_made_of_what_it_holds():
    rules = contract(FLAT)
    one = made({"prompt": "a", "completion": "b"}, rules)
    assert one["id"] == made({"prompt": "a", "completion": "b", "else": 1}, rules)["id"]
    assert one["id"] != made({"prompt": "a", "completion": "c"}, rules)["id"]


def test_what_the_policy_masks_is_masked_before_anything_is_stored():
    policy = Privacy(default="mask")
    asked = "Write to ann.lee@example.com about order 7"
    example = made(chat(user(asked), assistant("Wrote to ann.lee@example.com.")), privacy=policy)
    assert "ann.lee" not in "".join(example.values())
    assert example["input"] == "Write to [EMAIL] about order 7" and example["output"] == "Wrote to [EMAIL]."
    assert example["words"] == words_hash(example["input"])


def test_masked_arguments_of_a_call_stay_json():
    example = made(tool_chat(user(), calling(call("ann.lee@example.com"))), privacy=Privacy(default="mask"))
    assert json.loads(example["output"])["tool_calls"][0]["arguments"] == {"number": "[EMAIL]"}


def test_ids_and_groups_that_name_a_person_are_hashed_and_stay_told_apart():
    shape = {
        "columns": {"id": {}, "who": {}, "prompt": {}, "completion": {}},
        "mapping": {"id": "id", "group": "who", "input": "prompt", "output": "completion"},
    }
    record = {"prompt": "a", "completion": "b"}
    ann, bob = (
        made({**record, "id": name, "who": name}, contract(shape), privacy=Privacy(default="mask"))
        for name in ("ann.lee@example.com", "bob.ray@example.com")
    )
    assert "@" not in ann["id"] + ann["group"]
    assert ann["id"] != bob["id"] and ann["group"] != bob["group"]


def test_each_row_counts_its_finds_once():
    from tasks.curate.privacy import Screen
    from tasks.curate.reading.examples import Examples

    screen = Screen(Privacy(default="mask"))
    examples = Examples(contract(FLAT), TaskKind.FREE_TEXT, screen, None)
    for number in range(2):
        examples.make({"prompt": f"ann.lee{number}@example.com", "completion": "bob.ray@example.com"}, "")
    assert screen.finds == {"email": {"mask": 2}}


def test_a_time_is_kept_in_utc_and_may_be_a_day_ahead_of_this_clock():
    assert made(chat(at="2026-03-02T12:30:00+01:00"))["created_at"] == "2026-03-02T11:30:00+00:00"


def test_a_later_time_is_refused():
    code, field, remedy = refused(chat(at="2026-03-02T12:00:01Z"))
    assert (code, field) == ("future", "at") and "time zone" in remedy


def test_an_hour_that_a_clock_change_repeats_needs_its_offset():
    code, field, remedy = refused(chat(at="2025-10-26T02:30:00"))
    assert (code, field) == ("timestamp", "at") and "+01:00" in remedy


def test_a_row_of_more_tokens_than_may_be_trained_on_is_refused_with_both_figures():
    long = chat(user("word " * 30), assistant("yes"))
    assert made(long, max_tokens=59)["output"] == "yes"  # 150 / 3 + 3 / 3 + 4 a message
    code, field, remedy = refused(long, max_tokens=58)
    assert (code, field) == ("too_many_tokens", "messages") and "59 tokens" in remedy and "58 may" in remedy


def test_tools_and_the_longer_answer_of_a_pair_count_as_tokens():
    plain, tooled = chat(user(), assistant()), tool_chat(user(), assistant())
    assert made(plain, max_tokens=20)
    assert refused(tooled, max_tokens=20)[0] == "too_many_tokens"
    assert refused(pair(non_preferred_output=[assistant("no " * 100)]), contract(PAIRS), max_tokens=60)[0] == (
        "too_many_tokens"
    )


def test_an_extraction_may_be_answered_by_tool_calls_and_a_classification_not():
    asked = tool_chat(user(), calling())
    assert made(asked, kind=TaskKind.EXTRACTION)["output"] == made(asked)["output"]
    code, _, remedy = refused(asked, kind=TaskKind.CLASSIFICATION)
    assert code == "tool_call" and "label" in remedy
