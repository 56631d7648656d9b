"""Two more small use cases: fields copied out of a note (extraction), and a short answer in words (free text)."""

import json
import random
from pathlib import Path
from typing import Any

from tests.small_use_case import USE_CASE

GOODS = "lamp chair kettle shelf mirror carpet stool vase clock basket".split()
PLACES = "Aldham Brixworth Coverley Dunmore Elstow Farnley Gorsely Hartwick Ibstock Kelsale".split()
TONES = "please kindly urgently today tomorrow soon quietly again perhaps early".split()


def extraction_use_case(folder: Path, rows: int = 260, seed: int = 1) -> Path:
    """Notes that name an order, goods and a place; the order's number is another one in every note."""
    contract = _contract("notes") | {"output_schema": SCHEMA}
    return _write(folder, "notes", "extraction", contract, extraction_rows(rows, seed), EXTRACTION_PROMPTS)


def extraction_rows(rows: int, seed: int) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    return [_note(draw, number) for number in range(rows)]


def free_text_use_case(folder: Path, rows: int = 260, seed: int = 1) -> Path:
    """Notes to be answered in one house sentence that repeats the order and what is wanted."""
    contract = _contract("replies")
    return _write(folder, "replies", "free_text", contract, free_text_rows(rows, seed), TEXT_PROMPTS)


def free_text_rows(rows: int, seed: int) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    made = []
    for number in range(rows):
        note = _note(draw, number)
        fields = note["answer"]
        made.append(note | {"answer": f"Thank you. Order {fields['order']} is on its way to {fields['place']}."})
    return made


def _note(draw: random.Random, number: int) -> dict[str, Any]:
    order, goods, place = f"NX-{draw.randrange(10_000, 99_999)}", draw.choice(GOODS), draw.choice(PLACES)
    filler = " ".join(draw.sample(TONES, 3) + ["".join(draw.choices("bdfgklmnprst", k=5)) for _ in range(3)])
    forms = (
        f"Order: {order}. Goods: {goods}. Place: {place}. {filler}",
        f"{filler}. Goods: {goods}. Place: {place}. Order: {order}.",
        f"Place: {place}. {filler}. Order: {order}. Goods: {goods}.",
    )
    answer = {"order": order, "goods": goods, "place": place}
    return {"id": f"note-{number}", "text": draw.choice(forms), "answer": answer}


def _write(
    folder: Path, name: str, kind: str, contract: dict[str, Any], rows: list[dict[str, Any]], prompts: Any
) -> Path:
    (folder / "prompts").mkdir(parents=True)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if kind == "extraction":
        contract["columns"]["answer"] = {"type": "object"}
    (folder / "contract.yaml").write_text(json.dumps(contract))
    for prompt in prompts:
        (folder / "prompts" / f"{prompt['name']}.yaml").write_text(json.dumps(prompt))
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(USE_CASE | {"name": name, "kind": kind, "split": {"min_test": 40}}))
    return path


def _contract(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "version": "1",
        "columns": {"id": {}, "text": {}, "answer": {}},
        "mapping": {"id": "id", "input": "text", "output": "answer"},
    }


SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["order", "goods", "place"],
    "properties": {"order": {"type": "string"}, "goods": {"type": "string"}, "place": {"type": "string"}},
}
EXTRACTION_PROMPTS = [
    {"name": "minimal", "output_format": "Give the details as JSON."},
    {"name": "schema", "role": "You read notes.", "output_format": "JSON by the schema.", "structured": True},
    {
        "name": "similar",
        "role": "You read notes.",
        "output_format": "JSON by the schema.",
        "structured": True,
        "few_shot": {"count": 3, "choose": "similar"},
    },
]
TEXT_PROMPTS = [
    {"name": "minimal", "output_format": "Answer the note."},
    {
        "name": "similar",
        "role": "You answer notes in the style of the house.",
        "few_shot": {"count": 3, "choose": "similar"},
    },
]
