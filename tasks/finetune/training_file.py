"""The training file in the provider's chat format: checked here, so that nothing is found only after the upload."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from data_contracts.money import TrainingFile
from data_contracts.records import LeakFreePartitions
from tasks.errors import DataError
from tasks.prompting.tokens import most_tokens
from tasks.run_folder import RunFolder

MIN_EXAMPLES = 10
MAX_BYTES = 512_000_000
KEYS = {  # role -> what its messages have, and what they may have
    "system": ({"content"}, set()),
    "user": ({"content"}, {"name"}),
    "assistant": (set(), {"content", "name", "weight", "tool_calls"}),
    "tool": ({"content", "tool_call_id"}, set()),
}
SETTINGS = {"tools", "parallel_tool_calls"}


def build(
    rows: LeakFreePartitions,
    which: Literal["train", "validation"],
    records: Iterable[dict[str, Any]],
    path: Path,
    max_tokens: int | None = None,
) -> TrainingFile:
    """Write one `{"messages": [...]}` a line into the run folder; `records` come in the order of the partition's rows.

    Lines are ordered by a hash of the row id, so the same rows make the same bytes whatever order they were read in.
    Raises DataError naming the row that the provider would not take, or would cut off at `max_tokens`.
    """
    ids = [str(row) for row in getattr(rows.partitions, which)["id"]]
    lines: list[tuple[bytes, bytes]] = []
    tokens = 0
    for row, record in zip(ids, records, strict=True):
        problem = next(_problems(record), None)
        if problem:
            raise DataError(f"{which} row {row}", problem, "Mend the row or the prompt that renders it.")
        lines.append((hashlib.sha256(row.encode()).digest(), _line(record, f"{which} row {row}")))
        size = _tokens(record)
        _check_tokens(f"{which} row {row}", size, max_tokens)
        tokens += size
    content = b"".join(line for _, line in sorted(lines))
    _check_size(which, len(lines), len(content))
    digest = RunFolder(path.parent).write_bytes(path.name, content)
    return TrainingFile(path=str(path), sha256=digest, examples=len(lines), tokens=tokens)


def _problems(record: Mapping[str, Any]) -> Iterator[str]:
    """What a provider refuses, or worse, takes and trains on."""
    messages = record.get("messages")
    if not set(record) <= {"messages"} | SETTINGS or not isinstance(messages, list) or not messages:
        yield "is not an object with a list of `messages`, `tools` where there are any, and nothing else"
        return
    for number, message in enumerate(messages, 1):
        yield from (f"message {number} {problem}" for problem in _message_problems(message))
    plain = [message for message in messages if isinstance(message, dict)]
    roles = [message.get("role") for message in plain]
    if roles[-1:] != ["assistant"] or plain[-1].get("weight") == 0:
        yield "the last message is not the assistant's, or has weight 0, so there is nothing to learn"
    if "user" not in roles:
        yield "there is no user message"
    if "system" in roles[1:]:
        yield "a system message stands behind other messages"
    yield from _call_problems(plain, "tools" in record)


def _message_problems(message: object) -> Iterator[str]:
    if not isinstance(message, dict):
        yield "is not an object with `role` and `content`"
    elif message.get("role") not in KEYS:
        yield f"has a role other than {', '.join(KEYS)}"
    else:
        needed, allowed = KEYS[message["role"]]
        content = message.get("content", "calls" if message.get("tool_calls") else None)
        if not needed <= set(message) - {"role"} <= needed | allowed:
            yield f"is not an object with `role`, {', '.join(sorted(needed | allowed))} and nothing else"
        elif not isinstance(content, str) or not content.strip():
            yield "has no text"


def _call_problems(messages: Sequence[Mapping[str, Any]], defined: bool) -> Iterator[str]:
    opened: set[str] = set()
    for number, message in enumerate(messages, 1):
        if message.get("role") == "tool" and message.get("tool_call_id") in opened:
            opened.remove(message["tool_call_id"])
        elif opened or message.get("role") == "tool":
            yield f"message {number} does not fit the tool calls before it, each of which has one result"
            return
        opened |= {call["id"] for call in message.get("tool_calls", ())}
    if not defined and any(message.get("tool_calls") for message in messages):
        yield "it calls tools, and defines none"


def _line(record: Mapping[str, Any], where: str) -> bytes:
    """Keys of messages are sorted; those of tools stay as a request sends them, since a model reads their order."""
    sorted_messages = [dict(sorted(message.items())) for message in record["messages"]]
    line = dict(sorted({**record, "messages": sorted_messages}.items()))
    try:
        return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    except UnicodeEncodeError as error:
        problem = "holds half a surrogate pair, which is no text"
        raise DataError(where, problem, "Quarantine the row in curation.") from error


def _tokens(record: Mapping[str, Any]) -> int:
    settings = {key: record[key] for key in SETTINGS if key in record}
    return most_tokens(record["messages"], json.dumps(settings, ensure_ascii=False) if settings else "")


def _check_tokens(where: str, tokens: int, most: int | None) -> None:
    if most is not None and tokens > most:
        problem = f"makes about {tokens:,} tokens with its prompt (a high estimate), and {most:,} may be trained on"
        raise DataError(where, problem, "Shorten the prompt, or set source.max_tokens so that curation takes it out.")


def _check_size(which: str, examples: int, size: int) -> None:
    least = MIN_EXAMPLES if which == "train" else 1
    if examples < least:
        remedy = "Add examples, lower `split.validation` or `split.test`, or set `fine_tune.enabled: false`."
        raise DataError(f"{which} partition", f"holds {examples} examples, and a provider asks for {least}", remedy)
    if size >= MAX_BYTES:
        problem = f"makes a file of {size / 1e6:.0f} MB, and a provider takes less than {MAX_BYTES / 1e6:.0f} MB"
        raise DataError(f"{which} partition", problem, "Train on a sample, or shorten the prompt that renders it.")
