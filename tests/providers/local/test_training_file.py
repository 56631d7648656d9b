import json
from pathlib import Path

import pytest

from tasks.providers.local.graders import grader_of
from tasks.providers.local.training_file import InvalidFileError, read_training_file, shape_of
from tests.providers.local import support
from tests.providers.local.preferences import EQUAL, GRADED, PAIRS, graded, lines, pair

USER = {"role": "user", "content": "hi"}
ANSWER = {"role": "assistant", "content": "ok"}


def read(folder: Path, content: bytes, param: str = "training_file", method: str = "supervised"):
    path = folder / "t.jsonl"
    path.write_bytes(content)
    return read_training_file(path, param, shape_of(method, grader_of(json.dumps(EQUAL))))


def test_a_good_file_is_counted(tmp_path):
    contents = read(tmp_path, support.training_bytes(12))
    assert contents.examples == 12
    assert contents.tokens > 12 * 4


def test_a_byte_order_mark_and_a_missing_last_newline_are_fine(tmp_path):
    assert read(tmp_path, b"\xef\xbb\xbf" + support.training_bytes(10).rstrip()).examples == 10


def test_nine_examples_are_too_few_for_training_and_enough_for_validation(tmp_path):
    with pytest.raises(InvalidFileError) as few:
        read(tmp_path, support.training_bytes(9))
    assert few.value.code == "invalid_n_examples"
    assert few.value.message == "Training file has 9 example(s), but must have at least 10 examples"
    assert read(tmp_path, support.training_bytes(9), "validation_file").examples == 9
    with pytest.raises(InvalidFileError, match="Validation file has 0"):
        read(tmp_path, b"\n", "validation_file")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "not valid JSON"),
        (b"", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b'{"messages": NaN}', "not valid JSON"),
        ([1], "must be an object with a non-empty list `messages`"),
        ({"prompt": "x"}, "must be an object with a non-empty list `messages`"),
        ({"messages": []}, "must be an object with a non-empty list `messages`"),
        ({"messages": [USER, ANSWER], "label": "x"}, "1 key(s) besides `messages`"),
        ({"messages": [USER]}, "the last message must be from the assistant"),
        ({"messages": [USER, {"role": "robot", "content": "x"}]}, "message 2 has an unknown role"),
        ({"messages": [USER, {"role": "assistant", "content": " "}]}, "message 2 has empty content"),
        ({"messages": [USER, {"role": "assistant", "content": None}]}, "message 2 has empty content"),
        ({"messages": [USER, ANSWER], "tools": []}, "teaches to call tools (`tools`)"),
        ({"messages": [USER, ANSWER], "parallel_tool_calls": True}, "teaches to call tools (`parallel_tool_calls`)"),
        ({"messages": [USER, {"role": "tool", "content": "x"}, ANSWER]}, "message 2 calls a tool or answers one"),
        ({"messages": [USER, {"role": "assistant", "tool_calls": []}]}, "message 2 calls a tool or answers one"),
        ({"messages": [USER, {**ANSWER, "mood": "good"}]}, "message 2 has an unknown key"),
        ({"messages": [USER, {**ANSWER, "weight": 2}]}, "message 2 has a weight that is neither 0 nor 1"),
    ],
)
def test_a_bad_line_is_named_by_number_and_never_quoted(tmp_path, line, problem):
    bad = line if isinstance(line, bytes) else json.dumps(line).encode()
    with pytest.raises(InvalidFileError) as refused:
        read(tmp_path, support.training_bytes(11) + bad + b"\n" + support.training_bytes(1))
    assert problem in refused.value.message
    assert "Line 12:" in refused.value.message
    assert (refused.value.code, refused.value.param) == ("invalid_file_format", "training_file")


def test_files_of_preferences_and_of_graded_questions_are_counted_too(tmp_path):
    assert read(tmp_path, PAIRS, method="dpo").examples == 45
    assert read(tmp_path, PAIRS.replace(b"_output", b"_completion"), method="dpo").examples == 45
    assert read(tmp_path, GRADED, method="reinforcement").examples == 45


@pytest.mark.parametrize(
    ("method", "line", "problem"),
    [
        ("dpo", {"messages": [USER, ANSWER]}, "an object `input`"),
        ("dpo", {**pair(0), "input": {"messages": []}}, "a non-empty list `input.messages`"),
        ("dpo", {**pair(0), "input": {"messages": [USER], "tools": []}}, "teaches to call tools"),
        ("dpo", {**pair(0), "input": {"messages": [USER, ANSWER]}}, "must not be from the assistant"),
        ("dpo", {**pair(0), "preferred_output": []}, "a non-empty list `preferred_output`"),
        ("dpo", {**pair(0), "preferred_output": [ANSWER, ANSWER]}, "`preferred_output` must be one message"),
        ("dpo", {**pair(0), "non_preferred_output": [USER]}, "`non_preferred_output` must be one message"),
        ("dpo", {**pair(0), "label": "x"}, "1 key(s) besides `input`"),
        ("reinforcement", {"messages": [USER, ANSWER], "label": "x"}, "the last message must be from the user"),
        ("reinforcement", {"messages": [USER]}, "the grader's reference needs `item.label`"),
        ("reinforcement", {**graded(0), "tools": []}, "teaches to call tools"),
    ],
)
def test_a_bad_line_of_another_method_is_named_too(tmp_path, method, line, problem):
    good = {"dpo": pair, "reinforcement": graded}[method]
    with pytest.raises(InvalidFileError) as refused:
        read(tmp_path, lines([*map(good, range(11)), line]), method=method)
    assert problem in refused.value.message
    assert "Line 12:" in refused.value.message
