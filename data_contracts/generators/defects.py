"""What goes wrong in a real export, planted in stated numbers."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from data_contracts.generators.inbox import Inbox, Row

ADDED = {"copy": 14, "follow_up": 12, "label_conflict": 5}  # defect -> rows that come on top
SPOILED = {"type": 3, "bad_answer": 5, "missing_field": 3, "timestamp": 2, "json": 1}  # defect -> rows that break


@dataclass(frozen=True)
class Export:
    """The lines of rows.jsonl, and the ids of the rows with each planted defect."""

    lines: list[str]
    planted: dict[str, list[str]]


def export(rows: list[Row], inbox: Inbox, bad_answer: Callable[[Any], Any]) -> Export:
    """Plant the defects and write one JSON object a line, oldest first; `bad_answer` breaks an answer's rules."""
    victims = iter(inbox.chance.sample(rows, sum(ADDED.values()) + sum(SPOILED.values())))
    added = {
        defect: [_add(defect, next(victims), rows, inbox) for _ in range(count)] for defect, count in ADDED.items()
    }
    spoiled = {defect: [next(victims) for _ in range(count)] for defect, count in SPOILED.items()}
    every = sorted([*rows, *(row for new in added.values() for row in new)], key=lambda row: str(row["received_at"]))
    _spoil(spoiled, inbox.answer, bad_answer)
    planted = {defect: [row["id"] for row in found] for defect, found in {**added, **spoiled}.items()}
    cut_off = set(planted["json"])
    return Export([_line(row, row["id"] in cut_off) for row in every], planted)


def _add(defect: str, row: Row, rows: list[Row], inbox: Inbox) -> Row:
    chance, text, changed = inbox.chance, row["text"], {}
    if defect == "copy":
        text = chance.choice([text.upper(), f" {text.lower()} ", text.replace(" ", "  ")])
    if defect == "follow_up":
        text = chance.choice(["Following up on this: ", "Second try: ", "Writing once more. "]) + text
        changed = {"customer": chance.choice([row["customer"], inbox.writer().id])}  # or someone in the household
    if defect == "label_conflict":
        others = [other[inbox.answer] for other in rows if other[inbox.answer] != row[inbox.answer]]
        changed = {inbox.answer: chance.choice(others)}
    return inbox.again(row, text, **changed)


def _spoil(spoiled: dict[str, list[Row]], answer: str, bad_answer: Callable[[Any], Any]) -> None:
    for row in spoiled["type"]:
        row["text"] = row["text"].split(". ")
    for row in spoiled["bad_answer"]:
        row[answer] = bad_answer(row[answer])
    for position, row in enumerate(spoiled["missing_field"]):
        row[answer if position else "text"] = None
    for row in spoiled["timestamp"]:
        row["received_at"] = datetime.fromisoformat(row["received_at"]).strftime("%d/%m/%Y %H:%M")


def _line(row: Row, cut_off: bool) -> str:
    line = json.dumps(row, ensure_ascii=False)
    return line[: len(line) * 2 // 3] if cut_off else line
