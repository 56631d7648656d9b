"""Rows that somebody will ask to have deleted, in every place where curation and a split can put them."""

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.safety.canaries import contents, hits
from tests.small_use_case import small_rows, small_use_case

TWIN, RIVAL = "twin", "rival"  # the words of the first row under another id; and with another answer, of the second
PERSONS = 24  # the first so many rows name somebody


def planted_use_case(folder: Path, rows: int = 200, **changes: Any) -> Path:
    """A small use case whose first rows hold a sentence about a person each, and two more that say it again."""
    path = small_use_case(folder, rows, **{"split": {"min_test": 20}, **changes})
    whole: list[dict[str, Any]] = [dict(row) for row in small_rows(rows, 1)]
    for number, row in enumerate(whole[:PERSONS]):
        row["text"] = f"{row['text']} {sentence(number)}"
        if number > 1:  # the report quotes what candidates get wrong
            row["label"] = "ships" if row["label"] != "ships" else "music"
    first, second = whole[:2]
    twins = [
        {**first, "id": TWIN, "text": first["text"].upper()},
        {**second, "id": RIVAL, "label": "ships" if second["label"] != "ships" else "music"},
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*whole, *twins]))
    return path


def sentence(number: int) -> str:
    """What nobody else says."""
    draw = random.Random(1000 + number)
    return " ".join("".join(draw.choices("bdfgklmnprst", k=4)) + draw.choice("aeiou") for _ in range(12))


def traces(folder: Path, numbers: Iterable[int]) -> list[str]:
    """Where a person's sentence, or half of it, stands below a folder, in whatever form and packing."""
    halves = [half for number in numbers for half in _halves(sentence(number))]
    return [f"{path.relative_to(folder)}: {hit}" for path, content in contents(folder) for hit in hits(content, halves)]


def _halves(text: str) -> tuple[str, str]:
    return text[: len(text) // 2], text[len(text) // 2 :]
