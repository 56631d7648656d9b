"""What each character is to the reader of words: the rules of `data_contracts.text` as tables."""

import unicodedata
from functools import cache

import numpy as np

from data_contracts.text import SEPARATORS, folded
from tasks.similarity.arrays import Folding

# A digit marks a number. A single is a word of its own, since its language puts no spaces. Several are what one
# character folds into ("ß"). An intricate one depends on its neighbours (accents, jamo) and is left to Python.
LETTER, DIGIT, SINGLE, SEPARATOR, DROPPED, SEVERAL, INTRICATE = range(7)
TABLED = 0x20000  # code points above are rare (ideographs of names, tags): one entry stands for all of them
UNSPACED = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0xAA60, 0xAA7F)),  # Thai and Lao, Burmese, Khmer
    *((0x3005, 0x3007), (0x3040, 0x312F), (0x31A0, 0x31BF), (0x31F0, 0x31FF)),  # kana, bopomofo
    *((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (TABLED, 0x3FFFF)),  # ideographs
)
JAMO = range(0x1100, 0x1200)  # letters that join into one syllable


@cache
def folding(below: int = TABLED) -> Folding:
    """For texts without code points from `below` on. The whole takes a tenth of a second to make."""
    sort = np.full(TABLED + 1, INTRICATE, np.uint8)
    into = np.arange(TABLED + 1, dtype=np.int32)
    several = [0]
    for code in range(below):
        letters = folded(chr(code)).translate(SEPARATORS)
        sort[code] = _sort(letters)
        if sort[code] == SEVERAL:
            into[code] = len(several)
            several += [len(letters), *map(ord, letters)]
        elif len(letters) == 1:
            into[code] = ord(letters)
    plain = np.zeros(256, np.uint8)
    plain[:0x80] = np.where(sort[:0x80] == LETTER, into[:0x80], 0)
    return Folding(plain, sort, into, np.array(several, np.int32))


@cache
def settled_folding() -> Folding:
    """For texts that `normalised_words` made: nothing in them is intricate any more."""
    general = folding()
    sort, into = general.sort.copy(), general.into.copy()
    for code in np.flatnonzero(sort == INTRICATE):
        sort[code], into[code] = _sort_of_one(chr(code)), code
    return general._replace(sort=sort, into=into)


def unspaced(letter: str) -> bool:
    """Whether it belongs to a language that puts no spaces between words."""
    return any(first <= ord(letter) <= last for first, last in UNSPACED)


def _sort(letters: str) -> int:
    if not letters:
        return DROPPED
    if letters.isspace():
        return SEPARATOR
    sorts = {_sort_of_one(letter) for letter in letters}
    if any(map(_intricate, letters)) or (len(letters) > 1 and sorts & {SINGLE, SEPARATOR}):
        return INTRICATE
    return sorts.pop() if len(letters) == 1 else SEVERAL


def _sort_of_one(letter: str) -> int:
    if letter == " ":
        return SEPARATOR
    if letter.isdigit():
        return DIGIT
    return SINGLE if unspaced(letter) else LETTER


def _intricate(letter: str) -> bool:
    return unicodedata.category(letter)[0] == "M" or ord(letter) in JAMO
