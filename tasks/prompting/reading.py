"""How the text of an answer is read: JSON whole or fenced, labels whatever their case."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property

from data_contracts.text import canonical_json

QUOTES = " \t\r\n\"'`“”‘’«»"
FENCED = re.compile(r"```(?:json)?\s*\n(.*)\n\s*```", re.DOTALL | re.IGNORECASE)


class Labels:
    """The labels of a use case, and which of them a text names."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)

    def read(self, text: str) -> str | None:
        """The label that the text is, case, space and quotes aside where that leaves no doubt."""
        stripped = text.strip()
        return stripped if stripped in self._names else self._folded.get(_folded(stripped))

    @cached_property
    def _folded(self) -> dict[str, str]:
        """Label by its folded form, where that form belongs to one label only."""
        forms = Counter(_folded(label) for label in self._names)
        return {_folded(label): label for label in self._names if forms[_folded(label)] == 1}


def read_json(text: str) -> object:
    """The JSON value that the whole text is, or that its only fenced block is; None where it is neither."""
    stripped = text.strip()
    fenced = FENCED.fullmatch(stripped)
    try:
        value: object = json.loads(fenced.group(1) if fenced else stripped)
        canonical_json(value).encode()  # NaN, 1e999 and half a surrogate pair can be read and not written
    except (ValueError, RecursionError):  # RecursionError: an answer nested a thousand levels deep
        return None
    return value


def _folded(text: str) -> str:
    return " ".join(text.strip(QUOTES).casefold().split())
