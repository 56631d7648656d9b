"""The training file in the provider's chat format: checked here, so that nothing is found only after the upload."""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from data_contracts.money import TrainingFile
from data_contracts.records import LeakFreePartitions
from tasks.errors import DataError
from tasks.run_folder import RunFolder

MIN_EXAMPLES = 10
MAX_BYTES = 512_000_000
# A high estimate, so that a cap holds: the embedded provider was measured at 2.8 (mails to JSON) to 3.4 (short English
# questions) bytes a token; o200k takes about 4 of English. The provider's own count is known only afterwards.
BYTES_PER_TOKEN = 3
TOKENS_PER_MESSAGE = 4  # role and separators
ROLES = ("system", "user", "assistant")


def build(
    rows: LeakFreePartitions, which: Literal["train", "validation"], records: Iterable[dict[str, Any]], path: Path
) -> TrainingFile:
    """Write one `{"messages": [...]}` a line into the run folder; `records` come in the order of the partition's rows.

    Lines are ordered by a hash of the row id, so the same rows make the same bytes whatever order they were read in.
    Raises DataError naming the row that the provider would not take.
    """
    ids = [str(row) for row in getattr(rows.partitions, which)["id"]]
    lines: list[tuple[bytes, bytes]] = []
    tokens = 0
    for row, record in zip(ids, records, strict=True):
        problem = next(_problems(record), None)
        if problem:
            raise DataError(f"{which} row {row}", problem, "Mend the row or the prompt that renders it.")
        lines.append((hashlib.sha256(row.encode()).digest(), _line(record, f"{which} row {row}")))
        tokens += _tokens(record)
    content = b"".join(line for _, line in sorted(lines))
    _check_size(which, len(lines), len(content))
    digest = RunFolder(path.parent).write_bytes(path.name, content)
    return TrainingFile(path=str(path), sha256=digest, examples=len(lines), tokens=tokens)


def _problems(record: Mapping[str, Any]) -> Iterator[str]:
    """What a provider refuses, or worse, takes and trains on."""
    messages = record.get("messages")
    if set(record) != {"messages"} or not isinstance(messages, list) or not messages:
        yield "is not an object with a list of `messages` and nothing else"
        return
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict) or set(message) != {"role", "content"}:
            yield f"message {number} is not an object with `role` and `content` and nothing else"
        elif message["role"] not in ROLES:
            yield f"message {number} has a role other than {', '.join(ROLES)}"
        elif not isinstance(message["content"], str) or not message["content"].strip():
            yield f"message {number} has no text"
    roles = [message.get("role") for message in messages if isinstance(message, dict)]
    if roles[-1:] != ["assistant"]:
        yield "the last message is not the assistant's, so there is nothing to learn"
    if "user" not in roles:
        yield "there is no user message"
    if "system" in roles[1:]:
        yield "a system message stands behind other messages"


def _line(record: Mapping[str, Any], where: str) -> bytes:
    try:
        return json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    except UnicodeEncodeError as error:
        problem = "holds half a surrogate pair, which is no text"
        raise DataError(where, problem, "Quarantine the row in curation.") from error


def _tokens(record: Mapping[str, Any]) -> int:
    sizes = [len(message["content"].encode()) for message in record["messages"]]
    return sum(math.ceil(size / BYTES_PER_TOKEN) + TOKENS_PER_MESSAGE for size in sizes)


def _check_size(which: str, examples: int, size: int) -> None:
    least = MIN_EXAMPLES if which == "train" else 1
    if examples < least:
        remedy = "Add examples, lower `split.validation` or `split.test`, or set `fine_tune.enabled: false`."
        raise DataError(f"{which} partition", f"holds {examples} examples, and a provider asks for {least}", remedy)
    if size >= MAX_BYTES:
        problem = f"makes a file of {size / 1e6:.0f} MB, and a provider takes less than {MAX_BYTES / 1e6:.0f} MB"
        raise DataError(f"{which} partition", problem, "Train on a sample, or shorten the prompt that renders it.")
