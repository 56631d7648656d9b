"""A use case small enough for a test: four labels, random words, no two rows alike."""

import json
import random
from pathlib import Path
from typing import Any

WORDS = {
    "fruit": "apple pear plum cherry grape lemon melon peach quince orchard juice ripe harvest basket peel".split(),
    "tools": "hammer chisel drill plane wrench saw pliers bench clamp nail screw rivet anvil solder file".split(),
    "music": "violin cello flute drum trumpet chord melody tempo rhythm choir piano quartet sonata opera tune".split(),
    "ships": "mast keel rudder anchor sail harbour captain cargo deck hull tide pilot ferry canal dock".split(),
}
FILLERS = "today again please slowly north seven paper window garden winter after under bright careful Monday".split()
CREATED = "2026-01-{day:02}T12:00:00+00:00"


def small_use_case(folder: Path, rows: int = 400, seed: int = 1, **changes: Any) -> Path:
    """Write a whole use case; `changes` go over the sections of its use-case file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in small_rows(rows, seed)))
    (folder / "contract.yaml").write_text(json.dumps(CONTRACT))
    (folder / "prompts").mkdir(exist_ok=True)
    for prompt in PROMPTS:
        (folder / "prompts" / f"{prompt['name']}.yaml").write_text(json.dumps(prompt))
    path = folder / "small.yaml"
    path.write_text(json.dumps(USE_CASE | changes))
    return path


def small_rows(rows: int, seed: int) -> list[dict[str, str]]:
    """Rows of the use case, each two words of its label among fillers, made-up words and words of other labels."""
    draw = random.Random(seed)
    return [_row(draw, number) for number in range(rows)]


def _row(draw: random.Random, number: int) -> dict[str, str]:
    label = draw.choice(sorted(WORDS))
    other = draw.choice(sorted(WORDS))
    made_up = [
        "".join(draw.choices("bcdfgklmnprst", k=2)) + "".join(draw.choices("aeiou", k=2)) + "x" for _ in range(3)
    ]
    words = [*draw.sample(WORDS[label], 2), draw.choice(WORDS[other]), *draw.sample(FILLERS, 4), *made_up]
    draw.shuffle(words)
    created = CREATED.format(day=1 + number % 28)
    return {"id": f"row-{number}", "text": " ".join(words), "label": label, "created": created, "length": "short"}


CONTRACT = {
    "name": "small",
    "version": "1",
    "columns": {
        "id": {},
        "text": {},
        "label": {},
        "created": {"type": "datetime"},
        "length": {},
    },
    "mapping": {"id": "id", "input": "text", "output": "label", "created_at": "created", "slices": ["length"]},
    "labels": {label: f"about {' '.join(words[:3])}" for label, words in WORDS.items()},
    "expectations": [{"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}}],
}
PROMPTS = [
    {"name": "minimal", "output_format": "Answer with the topic."},
    {
        "name": "described",
        "role": "You sort notes by topic.",
        "labels": "descriptions",
        "output_format": "The topic only.",
    },
    {
        "name": "shown",
        "role": "You sort notes by topic.",
        "labels": "descriptions",
        "output_format": "The topic only.",
        "few_shot": {"count": 3, "choose": "similar"},
    },
]
USE_CASE = {
    "name": "small",
    "kind": "classification",
    "contract": "contract.yaml",
    "source": {"files": [{"path": "rows.jsonl"}]},
    "prompts": {"folder": "prompts", "base_models": ["local-base-small"], "search_rows": 40},
    "fine_tune": {"base_model": "local-base-small", "settle_s": 0, "deadline_hours": 0.05},
    "gates": {"max_latency_ratio": None},  # tests share a machine: its clock tells little
    "budget": {"per_run": 50, "approval_above": 50},
    "approvals": {"promotion": "none"},
}
