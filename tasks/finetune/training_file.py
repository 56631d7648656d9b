"""The training file in the provider's chat format: checked here, so that nothing is found only after the upload."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from data_contracts.money import TrainingFile
from data_contracts.records import LeakFreePartitions
from tasks.errors import DataError
from tasks.finetune.conversations import conversations, problems
from tasks.prompting.tokens import most_tokens
from tasks.run_folder import RunFolder

MIN_EXAMPLES = 10
SETTINGS = ("tools", "parallel_tool_calls")


def build(
    rows: LeakFreePartitions,
    which: Literal["train", "validation"],
    records: Iterable[dict[str, Any]],
    path: Path,
    max_tokens: int | None = None,
) -> TrainingFile:
    """Write one record a line into the run folder; `records` come in the order of the partition's rows.

    Lines are ordered by a hash of the row id, so the same rows make the same bytes whatever order they were read in.
    Raises DataError naming the row that the provider would not take, or would cut off at `max_tokens`.
    """
    ids = [str(row) for row in getattr(rows.partitions, which)["id"]]
    lines: list[tuple[bytes, bytes]] = []
    tokens = 0
    for row, record in zip(ids, records, strict=True):
        problem = next(problems(record), None)
        if problem:
            raise DataError(f"{which} row {row}", problem, "Mend the row or the prompt that renders it.")
        lines.append((hashlib.sha256(row.encode()).digest(), _line(record, f"{which} row {row}")))
        sizes = [_tokens(conversation) for conversation in conversations(record)]
        _check_tokens(f"{which} row {row}", max(sizes), max_tokens)
        tokens += sum(sizes)
    content = b"".join(line for _, line in sorted(lines))
    _check_size(which, len(lines))
    digest = RunFolder(path.parent).write_bytes(path.name, content)
    return TrainingFile(path=str(path), sha256=digest, examples=len(lines), tokens=tokens)


def _line(record: Mapping[str, Any], where: str) -> bytes:
    """Keys of messages are sorted; those of tools stay as a request sends them, since a model reads their order."""
    try:
        return json.dumps(_sorted(record), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    except UnicodeEncodeError as error:
        problem = "holds half a surrogate pair, which is no text"
        raise DataError(where, problem, "Quarantine the row in curation.") from error


def _sorted(record: Mapping[str, Any]) -> dict[str, Any]:
    """Keys in order, but within tools."""
    return {name: value if name in SETTINGS else _in_order(value) for name, value in sorted(record.items())}


def _in_order(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return _sorted(value)
    if isinstance(value, list):
        return [dict(sorted(item.items())) for item in value]
    return value


def _tokens(conversation: Mapping[str, Any]) -> int:
    settings = {key: conversation[key] for key in SETTINGS if key in conversation}
    return most_tokens(conversation["messages"], json.dumps(settings, ensure_ascii=False) if settings else "")


def _check_tokens(where: str, tokens: int, most: int | None) -> None:
    if most is not None and tokens > most:
        problem = f"makes about {tokens:,} tokens with its prompt (a high estimate), and {most:,} may be trained on"
        raise DataError(where, problem, "Shorten the prompt, or set source.max_tokens so that curation takes it out.")


def _check_size(which: str, examples: int) -> None:
    """How large a file may be differs by provider: tasks/finetune/offer.py."""
    least = MIN_EXAMPLES if which == "train" else 1
    if examples < least:
        remedy = "Add examples, lower `split.validation` or `split.test`, or set `fine_tune.enabled: false`."
        raise DataError(f"{which} partition", f"holds {examples} examples, and a provider asks for {least}", remedy)
