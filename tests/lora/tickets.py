"""Tickets with a plain rule from words to queue, as training files and as questions that no file holds."""

import json
import random

QUEUES = {
    "billing": ["invoice", "refund", "payment", "charge"],
    "network": ["router", "wifi", "cable", "signal"],
    "account": ["password", "login", "profile", "email"],
}
OPENINGS = ["my", "the", "our", "a"]
ENDINGS = ["is wrong", "does not work", "has a problem", "needs help", "stopped today", "looks odd"]


def ticket(queue: str, draw: random.Random) -> str:
    return f"{draw.choice(OPENINGS)} {draw.choice(QUEUES[queue])} {draw.choice(ENDINGS)}"


def labelled(count: int, seed: int = 0) -> list[tuple[str, str]]:
    draw = random.Random(seed)
    return [(ticket(queue, draw), queue) for _, queue in zip(range(count), _cycle(), strict=False)]


def unseen(count: int, known: list[tuple[str, str]]) -> list[tuple[str, str]]:
    every = {
        (f"{opening} {word} {ending}", queue)
        for queue, words in QUEUES.items()
        for word in words
        for opening in OPENINGS
        for ending in ENDINGS
    }
    return random.Random(1).sample(sorted(every - set(known)), count)


def training_file(rows: list[tuple[str, str]]) -> bytes:
    return _lines({"messages": [_said("user", text), _said("assistant", queue)]} for text, queue in rows)


def preference_file(rows: list[tuple[str, str]]) -> bytes:
    return _lines(
        {
            "input": {"messages": [_said("user", text)]},
            "preferred_output": [_said("assistant", queue)],
            "non_preferred_output": [_said("assistant", _other(queue))],
        }
        for text, queue in rows
    )


def texts(rows: list[tuple[str, str]]) -> list[str]:
    return [part for row in rows for part in row]


def _cycle():
    while True:
        yield from QUEUES


def _other(queue: str) -> str:
    names = list(QUEUES)
    return names[(names.index(queue) + 1) % len(names)]


def _said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _lines(records) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)
