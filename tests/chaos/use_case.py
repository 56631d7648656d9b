"""The use case of every chaos trial: 60 rows, two prompts that say little, a tune that therefore wins."""

import json
import random
from pathlib import Path
from typing import Any

from tests.small_use_case import CONTRACT, CREATED, FILLERS, WORDS, small_use_case

ROWS = 60
WORDS_A_LABEL = 6  # few, so that some thirty examples teach them
SECTIONS: dict[str, Any] = {
    "split": {"validation": 0.2, "test": 0.3, "min_test": 1},
    "gates": {"max_latency_ratio": None, "alpha": 0.2},  # no gate on a busy machine's clock
    "prompts": {"folder": "prompts", "base_models": ["local-base-small"], "search_rows": 20},
    "provider": {"request_timeout_s": 5},
}
FINE_TUNE = {"base_model": "local-base-small", "settle_s": 2, "deadline_hours": 0.05}


def chaos_use_case(folder: Path, **changes: Any) -> Path:
    """Its file; `changes` go over whole sections, those of `fine_tune` over its fields."""
    fine_tune = FINE_TUNE | changes.pop("fine_tune", {})
    path = small_use_case(folder, rows=0, **(SECTIONS | {"fine_tune": fine_tune} | changes))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in chaos_rows()))
    names = {label: f"kind {number}" for number, label in enumerate(WORDS)}
    (folder / "contract.yaml").write_text(json.dumps(CONTRACT | {"labels": names}))
    (folder / "prompts" / "shown.yaml").unlink()
    return path


def chaos_rows() -> list[dict[str, str]]:
    """The same rows each time; what a row's words mean stands nowhere but in its label."""
    draw = random.Random(4)
    return [_row(draw, number) for number in range(ROWS)]


def _row(draw: random.Random, number: int) -> dict[str, str]:
    label = sorted(WORDS)[number % len(WORDS)]
    words = [*draw.sample(WORDS[label][:WORDS_A_LABEL], 3), *draw.sample(FILLERS, 3)]
    words += ["".join(draw.choices("bcdfgklmnprstaeiou", k=7)) for _ in range(4)]
    draw.shuffle(words)
    created = CREATED.format(day=1 + number % 28)
    return {"id": f"row-{number}", "text": " ".join(words), "label": label, "created": created, "length": "short"}
