"""The training file is checked before anything is uploaded, and the same rows make the same bytes."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data_contracts.money import TrainingFile
from data_contracts.records import LeakageReport, LeakFreePartitions, Partitions
from tasks.errors import DataError
from tasks.finetune import training_file
from tasks.run_folder import RunFolder

IDS = [f"row-{number:02}" for number in range(12)]
TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}
FUNCTION = {"name": "find", "arguments": "{}"}
ASKED, ANSWER = {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}
CALL = {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": FUNCTION}]}
RESULT = {"role": "tool", "content": "c", "tool_call_id": "call_1"}


def partitions(train: list[str], validation: list[str] | None = None) -> LeakFreePartitions:
    frames = [pd.DataFrame({"id": ids}) for ids in (train, validation or [], [], [])]
    report = LeakageReport(train_rows=len(train), validation_rows=0, test_rows=0, found={}, withheld=0)
    return LeakFreePartitions(Partitions(*frames), report, [])


def record(row: str, answer: str = "refund") -> dict[str, Any]:
    question = {"role": "user", "content": f"Where is my money? {row}"}
    return {"messages": [{"role": "system", "content": "Sort it."}, question, {"role": "assistant", "content": answer}]}


def build(ids: list[str], records: list[dict[str, Any]], folder: Path) -> TrainingFile:
    return training_file.build(partitions(ids), "train", records, folder / "training.jsonl")


def test_each_row_becomes_one_line_of_chat(tmp_path: Path) -> None:
    built = build(IDS, [record(row) for row in IDS], tmp_path)
    lines = [json.loads(line) for line in Path(built.path).read_text().splitlines()]
    assert built.examples == len(lines) == 12
    assert all(line in lines for line in map(record, IDS))


def test_the_hash_is_that_of_the_exact_bytes_and_stands_in_the_manifest(tmp_path: Path) -> None:
    built = build(IDS, [record(row) for row in IDS], tmp_path)
    assert built.sha256 == hashlib.sha256(Path(built.path).read_bytes()).hexdigest()
    assert RunFolder(tmp_path).manifest() == {"training.jsonl": built.sha256}


def test_the_same_rows_in_another_order_make_the_same_bytes(tmp_path: Path) -> None:
    backwards = IDS[::-1]
    one = build(IDS, [record(row) for row in IDS], tmp_path / "one")
    other = build(backwards, [record(row) for row in backwards], tmp_path / "other")
    assert one.sha256 == other.sha256


def test_another_answer_makes_another_file(tmp_path: Path) -> None:
    one = build(IDS, [record(row) for row in IDS], tmp_path / "one")
    other = build(IDS, [record(row, "card" if row == IDS[3] else "refund") for row in IDS], tmp_path / "other")
    assert one.sha256 != other.sha256


def test_tokens_are_a_third_of_the_texts_bytes_and_four_a_message(tmp_path: Path) -> None:
    records = [{"messages": [{"role": "user", "content": "é" * 4}, {"role": "assistant", "content": "yes!"}]}] * 12
    assert build(IDS, records, tmp_path).tokens == 12 * (3 + 4 + 2 + 4)


def test_text_outside_ascii_is_written_as_it_is(tmp_path: Path) -> None:
    built = build(IDS, [record(row, "回答 🙂") for row in IDS], tmp_path)
    assert "回答 🙂" in Path(built.path).read_text(encoding="utf-8")


def test_a_validation_file_may_be_small(tmp_path: Path) -> None:
    rows = partitions(IDS, ["v-1"])
    built = training_file.build(rows, "validation", [record("v-1")], tmp_path / "validation.jsonl")
    assert built.examples == 1


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ([], "list of `messages`"),
        ("text", "list of `messages`"),
        (["text"], "message 1 is not an object"),
        ([{"role": "user"}], "message 1 is not an object"),
        ([{"role": "user", "content": "a", "weight": 1}], "message 1 is not an object"),
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0}], "has weight 0"),
        ([ASKED, RESULT, ANSWER], "message 2 does not fit the tool calls before it"),
        ([ASKED, CALL, ANSWER], "message 3 does not fit the tool calls before it"),
        ([ASKED, CALL, RESULT, RESULT, ANSWER], "message 4 does not fit the tool calls before it"),
        ([ASKED, CALL, RESULT, ANSWER], "calls tools, and defines none"),
        ([ASKED, {"role": "assistant", "tool_calls": []}], "message 2 has no text"),
        ([{"role": "user", "content": "a", "wieght": 0}], "message 1 is not an object"),
        ([{"role": "robot", "content": "a"}], "message 1 has a role other than"),
        ([{"role": "user", "content": " \n"}, {"role": "assistant", "content": "b"}], "message 1 has no text"),
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": ""}], "message 2 has no text"),
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": None}], "message 2 has no text"),
        ([{"role": "assistant", "content": "b"}, {"role": "user", "content": "a"}], "the last message is not"),
        ([{"role": "system", "content": "a"}, {"role": "assistant", "content": "b"}], "there is no user message"),
        (
            [
                {"role": "user", "content": "a"},
                {"role": "system", "content": "s"},
                {"role": "assistant", "content": "b"},
            ],
            "a system message stands behind",
        ),
    ],
)
def test_a_row_that_a_provider_would_refuse_is_named(tmp_path: Path, messages: object, problem: str) -> None:
    records = [record(row) for row in IDS]
    records[4] = {"messages": messages}
    with pytest.raises(DataError, match=f"train row row-04: .*{problem}.*nothing was uploaded"):
        build(IDS, records, tmp_path)
    assert not (tmp_path / "training.jsonl").exists()


def test_a_record_with_more_than_messages_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row-00"):
        build(IDS, [{**record("row-00"), "extra": 1}, *(record(row) for row in IDS[1:])], tmp_path)


@pytest.mark.parametrize("last", [[CALL], [CALL, RESULT, ANSWER]])
def test_tools_calls_results_and_weights_are_written_as_they_are(tmp_path: Path, last: list[dict[str, Any]]) -> None:
    chat = {"messages": [ASKED, {**ANSWER, "weight": 0}, ASKED, *last], "tools": [TOOL], "parallel_tool_calls": False}
    built = build(IDS, [chat] * 12, tmp_path)
    lines = Path(built.path).read_text().splitlines()
    assert [json.loads(line) for line in lines] == [chat] * 12
    assert list(json.loads(lines[0])["tools"][0]["function"]) == ["name", "parameters"]


def test_tools_and_calls_count_as_tokens(tmp_path: Path) -> None:
    plain = build(IDS, [{"messages": [ASKED, ANSWER]}] * 12, tmp_path / "plain").tokens
    tools = {"tools": [TOOL]}
    size = -(-len(json.dumps(tools)) // 3)
    assert build(IDS, [{"messages": [ASKED, ANSWER], **tools}] * 12, tmp_path / "tools").tokens == plain + 12 * size
    called = build(IDS, [{"messages": [ASKED, CALL], **tools}] * 12, tmp_path / "called").tokens
    assert called == 12 * (1 + 4 + 4 + 2 + 8 + size)


def test_the_bytes_of_a_plain_chat_are_those_that_intents_were_made_of(tmp_path: Path) -> None:
    built = build(["r"] * 10, [{"messages": [{"role": "system", "content": "ä"}, ASKED, ANSWER]}] * 10, tmp_path)
    first = Path(built.path).read_bytes().splitlines()[0].decode()
    assert first == (
        '{"messages":[{"content":"ä","role":"system"},{"content":"a","role":"user"},'
        '{"content":"b","role":"assistant"}]}'
    )


def test_a_row_that_a_provider_would_cut_off_stops_the_build_with_both_figures(tmp_path: Path) -> None:
    rows, records = partitions(IDS), [record(row) for row in IDS]
    path = tmp_path / "training.jsonl"
    most = training_file.build(rows, "train", records, path).tokens // len(IDS)
    assert training_file.build(rows, "train", records, path, max_tokens=most).examples == 12
    with pytest.raises(DataError, match=rf"row-00: makes about {most} tokens .* {most - 1} may be .*source.max_tokens"):
        training_file.build(rows, "train", records, path, max_tokens=most - 1)


def test_half_a_surrogate_pair_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train row row-00: .*surrogate"):
        build(IDS, [record(row, "\ud800") for row in IDS], tmp_path)


def test_an_error_does_not_quote_the_row(tmp_path: Path) -> None:
    records = [{"messages": [{"role": "user", "content": "my card is 4111"}]}] * 12
    with pytest.raises(DataError) as stopped:
        build(IDS, records, tmp_path)
    assert "4111" not in str(stopped.value)


def test_fewer_than_ten_examples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds 9 examples, and a provider asks for 10"):
        build(IDS[:9], [record(row) for row in IDS[:9]], tmp_path)
    assert build(IDS[:10], [record(row) for row in IDS[:10]], tmp_path).examples == 10


def test_records_that_do_not_match_the_rows_are_a_programming_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shorter"):
        build(IDS, [record(row) for row in IDS[1:]], tmp_path)


# ---------------------------------------------------------------- preferences and reinforcement


def pair(row: str, preferred: str = "refund", other: str = "card") -> dict[str, Any]:
    asked = {"messages": [{"role": "user", "content": f"Where is my money? {row}"}]}
    answers = [[{"role": "assistant", "content": answer}] for answer in (preferred, other)]
    return {"input": asked, "preferred_output": answers[0], "non_preferred_output": answers[1]}


def graded(row: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": f"Where? {row}"}], "reference_answer": "refund"}


@pytest.mark.parametrize("shape", [pair, graded])
def test_other_methods_have_a_line_a_row_too(tmp_path: Path, shape: Any) -> None:
    built = build(IDS, [shape(row) for row in IDS], tmp_path)
    lines = [json.loads(line) for line in Path(built.path).read_text().splitlines()]
    assert built.examples == 12 and all(shape(row) in lines for row in IDS)


def test_a_preference_counts_the_tokens_of_both_conversations(tmp_path: Path) -> None:
    one = build(IDS, [pair(row) for row in IDS], tmp_path / "pairs")
    same = build(IDS, [record(row) for row in IDS], tmp_path / "plain")
    assert one.tokens > 1.5 * (same.tokens - 12 * 7)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (pair("x", other="refund"), "prefers an answer to itself"),
        (pair("x", preferred=" "), "message 2 has no text"),
        ({**pair("x"), "note": 1}, "and nothing else"),
        ({**graded("x"), "reference_answer": ""}, "message 2 has no text"),
    ],
)
def test_a_line_that_a_provider_would_refuse_names_its_row(tmp_path: Path, broken: Any, message: str) -> None:
    shape = pair if "input" in broken else graded
    with pytest.raises(DataError, match=f"row-05: {message}|row-05: .*{message}"):
        build(IDS, [broken if row == "row-05" else shape(row) for row in IDS], tmp_path)
