"""Texts known again wherever they stand: whole, cut off, or quoted in part."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

GONE = "[forgotten]"
WINDOW, STEP = 24, 8  # characters: any quotation of 31 or more holds a window
PATTERN = 100  # windows in one expression: Arrow's engine limits its size


class Stretches:
    """Stretches of texts that are nobody else's. A text shorter than a window counts where it stands alone."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._short: set[str] = set()
        self._windows: dict[str, tuple[str, int]] = {}  # to the text that it is of, and where in it
        for text in texts:
            if len(text) < WINDOW:
                self._short |= {text.strip()} - {""}
            else:
                for at in {*range(0, len(text) - WINDOW + 1, STEP), len(text) - WINDOW}:
                    self._windows.setdefault(text[at : at + WINDOW], (text, at))

    def __bool__(self) -> bool:
        return bool(self._windows or self._short)

    def written(self, form: Callable[[str], str]) -> "Stretches":
        """The same stretches as they stand in a file that writes texts in another form."""
        made = Stretches(())
        made._short = {form(text) for text in self._short}
        made._windows = {form(window): (form(text), -1) for window, (text, _) in self._windows.items()}
        made._windows = {window: (text, text.find(window)) for window, (text, _) in made._windows.items()}
        return made

    def leave_out(self, others: pa.Array) -> None:
        """Take out what other rows hold, too: a greeting is nobody's own."""
        self._short -= set(others.filter(pc.is_in(others, value_set=pa.array([*self._short], others.type))).to_pylist())
        holding = others.filter(pa.array(self.held(others)))
        for text in holding.to_pylist():
            if any(window in text for window in self._windows):
                self._windows = {window: at for window, at in self._windows.items() if window not in text}

    def held(self, texts: pa.Array) -> npt.NDArray[np.bool_]:
        """Which of the texts hold a stretch."""
        windows = [_literally(window) for window in self._windows]
        found = pc.is_in(texts, value_set=pa.array([*self._short], texts.type)).to_numpy(zero_copy_only=False)
        for start in range(0, len(windows), PATTERN):
            pattern = "|".join(windows[start : start + PATTERN])
            there = pc.fill_null(pc.match_substring_regex(texts, pattern), False)
            found = found | there.to_numpy(zero_copy_only=False)
        return np.asarray(found, np.bool_)

    def are_in(self, text: str) -> bool:
        """Whether the text holds one."""
        return text.strip() in self._short or any(window in text for window in self._windows)

    def strike(self, text: str) -> str:
        """The text with GONE in the place of each stretch, as far as it goes."""
        if text.strip() in self._short:
            return GONE
        kept, end = [], 0
        for first, last in _merged(self._spans(text)):
            kept += [text[end:first], GONE]
            end = last
        return "".join([*kept, text[end:]])

    def strike_nodes(self, page: str) -> str:
        """The same in a page of HTML, whose nodes are texts that stand alone."""
        for text in self._short:
            page = page.replace(f">{text}<", f">{GONE}<")
        return self.strike(page)

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        for window, (source, at) in self._windows.items():
            found = text.find(window)
            while found >= 0:
                span = _extended(text, found, source, at)
                yield span
                found = text.find(window, max(span[1], found + 1))


def _extended(text: str, found: int, source: str, at: int) -> tuple[int, int]:
    """How far text and source agree around the place where a window of the source was found."""
    first, begin = found, at
    while first and begin and text[first - 1] == source[begin - 1]:
        first, begin = first - 1, begin - 1
    last, end = found, at
    while last < len(text) and end < len(source) and text[last] == source[end]:
        last, end = last + 1, end + 1
    return first, last


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def _literally(text: str) -> str:
    """As an expression that matches this text alone."""
    return "".join(sign if sign.isalnum() or ord(sign) > 127 else f"\\x{{{ord(sign):x}}}" for sign in text)
