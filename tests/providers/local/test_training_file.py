import json
from pathlib import Path

import pytest

from tasks.providers.local.training_file import InvalidFileError, read_training_file
from tests.providers.local import support

USER = {"role": "user", "content": "hi"}
ANSWER = {"role": "assistant", "content": "ok"}


def read(folder: Path, content: bytes, param: str = "training_file"):
    path = folder / "t.jsonl"
    path.write_bytes(content)
    return read_training_file(path, param)


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
