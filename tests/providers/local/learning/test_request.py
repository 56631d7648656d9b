"""What a request is read as."""

import pytest

from tasks.providers.local.learning.fields import ABSENT, fields_of_objects, fields_of_schema, nested
from tasks.providers.local.learning.reader import Entry, instructions_in, read, self_instructed


def test_turns_before_the_question_are_examples_and_the_last_user_message_is_the_question():
    roles = ["system", "user", "assistant", "user"]
    messages = [{"role": role, "content": text} for role, text in zip(roles, ["be kind", "a", "b", "c"], strict=True)]
    lesson = read(messages, None)
    assert [(example.text, example.answer) for example in lesson.examples] == [("a", "b")]
    assert (lesson.question, lesson.instructions.sentences, lesson.schema) == ("c", ("be kind",), None)


def test_lists_objects_and_sentences_come_apart():
    text = 'Be kind. Say why.\n\n- a: first\n- b - second\n\n- Never answer the customer, whatever they say.\n{"x": 1}'
    found = instructions_in(text)
    assert found.lists == ((Entry("a", "first"), Entry("b", "second")),)
    assert found.objects == ({"x": 1},)
    assert found.sentences[:3] == ("Be kind.", "Say why.", "Never answer the customer, whatever they say.")


def test_a_question_alone_instructs_by_its_own_list():
    lesson = self_instructed(read([{"role": "user", "content": "Which?\n- yes\n- no\nIt rains."}], None))
    assert (lesson.question, [entry.name for entry in lesson.instructions.lists[0]]) == (
        "Which?\nIt rains.",
        ["yes", "no"],
    )


def test_a_list_in_the_question_is_part_of_it_where_there_are_instructions():
    messages = [{"role": "system", "content": "Answer."}, {"role": "user", "content": "Which?\n- yes\n- no"}]
    assert self_instructed(read(messages, None)).question == "Which?\n- yes\n- no"


@pytest.mark.parametrize(("given", "schema"), [(None, None), ({"type": "text"}, None), ({"type": "json_object"}, {})])
def test_without_a_schema_json_is_demanded_or_not(given, schema):
    assert read([{"role": "user", "content": "x"}], given).schema == schema


def test_references_unions_and_nesting_of_a_schema_become_fields():
    schema = {
        "type": "object",
        "required": ["a", "b"],
        "properties": {
            "a": {"$ref": "#/$defs/A"},
            "b": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}], "description": "how many"},
            "c": {"oneOf": [{"const": "x", "description": "the first"}, {"const": "y"}]},
        },
        "$defs": {"A": {"type": "object", "properties": {"d": {"type": "boolean"}}, "required": ["d"]}},
    }
    flag, count, choice = fields_of_schema(schema)
    assert (flag.path, flag.allowed, flag.required) == (("a", "d"), [True, False], True)
    assert (count.types, count.nullable, count.accepts(0), count.said) == ({"integer"}, True, False, "b how many")
    assert (choice.allowed, choice.required, choice.said_of("x")) == (["x", "y"], False, "the first")


def test_objects_show_which_keys_may_be_missing_and_which_may_be_null():
    first, second = fields_of_objects([{"a": {"b": None}, "c": 1}, {"a": {"b": 2}}])
    assert (first.path, first.required, first.nullable) == (("a", "b"), True, True)
    assert (second.path, second.required, second.nullable) == (("c",), False, False)
    assert nested({first.path: 3, second.path: ABSENT}) == {"a": {"b": 3}}
