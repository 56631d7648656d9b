"""A model that the operator lets answer worse than it can: which questions that concerns, and what becomes of them."""

import hashlib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal

import orjson

from tasks.providers.local.settings import Settings

Messages = list[dict[str, str]]
Ailment = Literal["wrong", "malformed", "refused"]
NOTHING = "-"  # what is read in the place of a question
PROSE = "Sure! Here is what I think you asked for, in short: {}. Do tell me if you need more."
REFUSAL = "I cannot help with that."


def ailment(model: str, messages: Sequence[dict[str, str]], settings: Settings) -> Ailment | None:
    """What is wrong with the answer to this question; None: nothing. The same question always gets the same."""
    found = next((one for pattern, one in settings.degraded.items() if fnmatchcase(model, pattern)), None)
    if found is None:
        return None
    draw = int.from_bytes(hashlib.blake2b(orjson.dumps([model, *messages]), digest_size=8).digest()) / 2**64
    return found.answers if draw < found.share else None


def unasked(messages: Messages) -> Messages:
    """The conversation with nothing in the place of its last message."""
    return [*messages[:-1], {**messages[-1], "content": NOTHING}]
