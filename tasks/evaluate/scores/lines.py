"""Records of a JSONL file that people write for the evaluation: one a line, each checked."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from tasks.errors import ConfigurationError

Record = TypeVar("Record", bound=BaseModel)


def read_lines(content: bytes, file: str, model: type[Record]) -> dict[int, Record]:
    """Line number to record. ConfigurationError names file, line and field of what is wrong, and none of the text."""
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ConfigurationError(file, f"is not UTF-8 at byte {error.start}", "Save it as UTF-8.") from None
    records = {at: _record(line, f"{file}, line {at}", model) for at, line in enumerate(lines, 1) if line.strip()}
    if not records:
        raise ConfigurationError(file, "has no record", "Write one JSON object a line.")
    return records


def _record(line: str, where: str, model: type[Record]) -> Record:
    try:
        return model.model_validate_json(line)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, item['loc'])) or 'the line'}: {item['msg']}"
            for item in error.errors(include_input=False, include_context=False)
        ]
    raise ConfigurationError(where, "; ".join(problems), "Mend this line.")
