"""The compiled reader of words."""

import numpy as np

from tasks.similarity.arrays import Bytes, Folding, Int64s, Read, UInt32s
from tasks.similarity.characters import DIGIT, DROPPED, INTRICATE, SEVERAL, SINGLE, TABLED
from tasks.similarity.compiled import compiled

NUMBER = np.uint32(7)  # the one word that every number is
MIN_FORM_WORDS = 3  # `5 3` and `12 7` are numbers, not a form with other numbers in it
START, PRIME = np.uint64(14695981039346656037), np.uint64(1099511628211)  # FNV-1a
SPREAD, HALF = np.uint64(0xD6E8FEB86659FD93), np.uint64(32)
SPACE = 32


@compiled
def read(data: Bytes, offsets: Int64s, folding: Folding, tokens: UInt32s, rows: Read) -> int:
    """Hash the words of UTF-8 rows into `tokens`, one row after the other; returns how many they are."""
    end = 0
    for row in range(len(offsets) - 1):
        text = data[offsets[row] : offsets[row + 1]]
        length, words = _read_row(text, folding, tokens[end:])
        rows.start[row], rows.length[row], rows.words[row] = end, length, words
        if length > 0:
            rows.form[row] = _form(tokens[end : end + length])
            end += length
    return end


@compiled
def _read_row(text: Bytes, folding: Folding, tokens: UInt32s) -> tuple[int, np.uint64]:
    """How many tokens, and the hash of what stands between the separators; -1 where a character is intricate."""
    words = run = word = START  # of a run or word of which nothing is read
    length = place = 0
    number = False
    while place <= len(text):
        if word == run:  # most of most texts: the letters of a word without accents
            while place < len(text) and folding.plain[text[place]]:
                word = (word ^ np.uint64(folding.plain[text[place]])) * PRIME
                place += 1
            run = word
        code, place = _next(text, place)
        entry = min(code, TABLED)
        sort = folding.sort[entry]
        if sort <= DIGIT:
            letter = np.uint64(folding.into[entry] if entry < TABLED else code)
            word, run = (word ^ letter) * PRIME, (run ^ letter) * PRIME
            number |= sort == DIGIT
        elif sort == SEVERAL:
            first = folding.into[entry]
            for part in folding.several[first + 1 : first + 1 + folding.several[first]]:
                word, run = (word ^ np.uint64(part)) * PRIME, (run ^ np.uint64(part)) * PRIME
                number |= folding.sort[part] == DIGIT
        elif sort == INTRICATE:
            return -1, words
        elif sort != DROPPED:
            hashed, only_word = _mixed(word), word == run
            if word != START:
                length = _append(tokens, length, NUMBER if number else np.uint32(hashed >> HALF))
                word, number = START, False
            if sort == SINGLE:
                letter = np.uint64(folding.into[entry] if entry < TABLED else code)
                run = (run ^ letter) * PRIME
                length = _append(tokens, length, np.uint32(_mixed((START ^ letter) * PRIME) >> HALF))
            elif run != START:
                words, run = _chained(words, hashed if only_word else _mixed(run)), START
    return length, words


@compiled
def _next(text: Bytes, place: int) -> tuple[int, int]:
    """A code point and the place behind it; the end of the text is a space."""
    if place == len(text):
        return SPACE, place + 1
    lead = int(np.int64(text[place]))
    if lead < 0x80:
        return lead, place + 1
    more = 1 + (lead >= 0xE0) + (lead >= 0xF0)
    code = lead & (0x3F >> more)
    for behind in range(1, more + 1):
        code = (code << 6) | int(np.int64(text[place + behind]) & 0x3F)
    return code, place + 1 + more


@compiled
def _append(tokens: UInt32s, length: int, token: np.uint32) -> int:
    """The new length. A run of numbers ("1 234,50") is one."""
    if token == NUMBER and length > 0 and tokens[length - 1] == NUMBER:
        return length
    tokens[length] = token
    return length + 1


@compiled
def _form(tokens: UInt32s) -> np.uint64:
    """Hash of the words, numbers masked; 0 where there are too few."""
    form, telling = START, 0
    for token in tokens:
        telling += token != NUMBER
        form = _chained(form, np.uint64(token))
    return form if telling >= MIN_FORM_WORDS else np.uint64(0)


@compiled
def _chained(state: np.uint64, following: np.uint64) -> np.uint64:
    state = (state ^ following) * SPREAD
    return state ^ (state >> HALF)


@compiled
def _mixed(state: np.uint64) -> np.uint64:
    state = (state ^ (state >> HALF)) * SPREAD
    state = (state ^ (state >> HALF)) * SPREAD
    return state ^ (state >> HALF)
