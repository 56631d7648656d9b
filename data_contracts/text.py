"""When two texts count as the same, and the one way in which JSON is written: shared by every stage that compares."""

import hashlib
import json
import string
import unicodedata
from typing import Any


class _Separators(dict[int, str]):
    """For `str.translate`: what stands between words becomes a space, invisible format characters go."""

    def __missing__(self, code: int) -> str:
        category = unicodedata.category(chr(code))
        if category == "Cf":
            kept = ""
        elif category[0] in "PZC" or category in ("Sc", "Sk", "Sm"):  # not So: an emoji can be the whole message
            kept = " "
        else:
            kept = chr(code)
        self[code] = kept
        return kept


SEPARATORS = _Separators()
# All that the general way does to ASCII, in one table of bytes.
_ASCII_WORDS = bytes(
    ord(letter.lower()) if (letter := chr(code)) in string.ascii_letters + string.digits else ord(" ")
    for code in range(256)
)


def normalised_words(text: str) -> str:
    """Words of a text, one space between: NFKC, case folded, punctuation and symbols turned into spaces.

    A text without any word ("?!") stands for itself.
    """
    if text.isascii():
        return b" ".join(text.encode().translate(_ASCII_WORDS).split()).decode() or " ".join(text.split())
    plain = folded(text)
    words = unicodedata.normalize("NFKC", plain.translate(SEPARATORS))  # an invisible character kept an accent apart
    return " ".join(words.split()) or " ".join(plain.split())


def folded(text: str) -> str:
    """NFKC and case folding, which leave a text that they have been applied to as it is."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def words_hash(text: str) -> str:
    """Same for texts that differ only in case, space, punctuation or Unicode form: 32 hex digits."""
    return hashlib.blake2b(normalised_words(text).encode(), digest_size=16).hexdigest()


def canonical_json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """The one text of a JSON value: sorted keys, no spaces, characters as they are."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
