"""The JSON Schemas of what this server reads and logs: `python -m tasks.providers.local.publish` writes schemas/."""

import json
from pathlib import Path

from pydantic import BaseModel

from tasks.providers.local.faults import FaultList
from tasks.providers.local.request_log import RequestLine
from tasks.providers.local.settings import Settings

FOLDER = Path(__file__).parent / "schemas"
SHAPES: dict[str, type[BaseModel]] = {"faults": FaultList, "request_log": RequestLine, "settings": Settings}


def schemas() -> dict[str, str]:
    """File name to content, by JSON Schema 2020-12."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {
        f"{name}.json": json.dumps(dialect | model.model_json_schema(), indent=2, ensure_ascii=False) + "\n"
        for name, model in SHAPES.items()
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, content in schemas().items():
        (FOLDER / name).write_text(content, encoding="utf-8")
