"""The input file of a batch, checked as a whole before any of its requests is answered.

The codes are those that OpenAI's batches were seen to fail with; the texts are this server's own.
"""

from collections.abc import Sequence
from pathlib import Path

import orjson
from pydantic import ValidationError

from tasks.providers.local.batch_records import CHAT_URLS, MOST_BYTES, MOST_REQUESTS, BatchError, BatchLine

_SHOWN = 10  # errors that are told


class InvalidBatchError(Exception):
    """The file cannot be worked on."""

    def __init__(self, errors: Sequence[BatchError]) -> None:
        super().__init__(errors)
        self.errors = list(errors)[:_SHOWN]


def read_batch(path: Path, endpoint: str) -> list[BatchLine]:
    """Its requests. Raises InvalidBatchError, with a line number where there is one."""
    if path.stat().st_size > MOST_BYTES:
        raise _invalid("file_too_large", f"The file is larger than {MOST_BYTES} bytes.")
    raw = path.read_bytes().splitlines()
    if not raw:
        raise _invalid("empty_file", "The file has no line.")
    if len(raw) > MOST_REQUESTS:
        raise _invalid("too_many_tasks", f"The file has {len(raw)} requests; {MOST_REQUESTS} are allowed.")
    read = [_line(number, line) for number, line in enumerate(raw, start=1)]
    errors = [one for one in read if isinstance(one, BatchError)]
    lines = [one for one in read if isinstance(one, BatchLine)]
    errors = errors or _contradictions(lines, endpoint)
    if errors:
        raise InvalidBatchError(errors)
    return lines


def _line(number: int, raw: bytes) -> BatchLine | BatchError:
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return BatchError(code="invalid_json_line", message="This line is not valid JSON.", line=number)
    try:
        return BatchLine.model_validate(document)
    except ValidationError as problems:
        param = ".".join(map(str, problems.errors(include_input=False)[0]["loc"])) or None
        return BatchError(code="invalid_request", message=f"Invalid '{param}'.", line=number, param=param)


def _contradictions(lines: Sequence[BatchLine], endpoint: str) -> list[BatchError]:
    """Lines that do not go with the batch or with each other."""
    found: list[BatchError] = []
    seen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        if line.url not in CHAT_URLS or line.url != endpoint:
            found.append(_at(number, "url_mismatch", f"The URL is not the batch's endpoint {endpoint}.", "url"))
        if line.custom_id in seen:
            found.append(_at(number, "duplicate_custom_id", "The custom_id was used before.", "custom_id"))
        if line.body.get("model") != lines[0].body.get("model"):
            message = "The model is another one than that of the first line; a batch asks one model."
            found.append(_at(number, "model_mismatch", message, "body.model"))
        if line.body.get("stream"):
            found.append(_at(number, "invalid_request", "A batch cannot be streamed.", "body.stream"))
        seen.add(line.custom_id)
    return found


def _at(line: int, code: str, message: str, param: str) -> BatchError:
    return BatchError(code=code, message=message, line=line, param=param)


def _invalid(code: str, message: str) -> InvalidBatchError:
    return InvalidBatchError([BatchError(code=code, message=message)])
