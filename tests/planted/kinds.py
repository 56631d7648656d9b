"""Leaks of stated kinds: each says a text for train and the one that stands in test because of it."""

import unicodedata
from collections.abc import Callable, Iterable
from random import Random

from tests.planted.message import LEAST, Message, Voice, bare, dressed

Pair = tuple[str, str]  # the text in train, the text in test
Kind = Callable[[Voice], Pair]

LIGHT, HEAVY = 0.11, 1 / 3  # share of the words that a paraphrase swaps
EXCERPT = (0.5, 0.7)
ZERO_WIDTH = ("\u200b", "\u200d", "\ufeff", "\u00ad")
LIGATURES = {"ffi": "ﬃ", "ffl": "ﬄ", "ff": "ﬀ", "fi": "ﬁ", "fl": "ﬂ", "dz": "ǳ", "ij": "ĳ", "nj": "ǌ"}
FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
FILLERS = ("um", "well", "like", "right", "er", "okay", "anyway", "hm")


def exact(voice: Voice) -> Pair:
    """Byte for byte."""
    text = voice.message().text
    return text, text


def case_and_space(voice: Voice) -> Pair:
    """Capitals and white space differ."""
    text, chance = voice.message().text, voice.chance
    cased = chance.choice([str.upper, str.lower, str.title, str.swapcase])(text)
    gap = chance.choice(["  ", "\n", "\t", " \r\n "])
    respaced = "".join(gap if letter == " " and chance.random() < 0.3 else letter for letter in cased)
    return text, f" {respaced}\n"


def punctuation(voice: Voice) -> Pair:
    """Marks left out, or others put in."""
    text, chance = voice.message().text, voice.chance
    if chance.random() < 0.5:
        return text, "".join(letter for letter in text if letter.isalnum() or letter == " ")
    marks = [" -", "...", "!", ";", " (", ")", ":"]
    words = text.split(" ")
    for at in chance.sample(range(len(words) - 1), len(words) // 5):
        words[at] += chance.choice(marks)
    return text, " ".join(words)


def unicode_form(voice: Voice) -> Pair:
    """The same letters in another encoding: NFD, full width, zero width, ligatures, non-breaking space."""
    return voice.chance.choice([decomposed, full_width, zero_width, ligatures, unbroken])(voice)


def decomposed(voice: Voice) -> Pair:
    """Accents as characters of their own (NFD)."""
    text = voice.message(lambda message: not message.text.isascii()).text
    return text, unicodedata.normalize("NFD", text)


def full_width(voice: Voice) -> Pair:
    """Every letter, digit and mark in its full-width form."""
    text = voice.message().text
    return text, text.translate(FULL_WIDTH)


def zero_width(voice: Voice) -> Pair:
    """Characters without width inside a third of the words."""
    text, chance = voice.message().text, voice.chance
    words = text.split(" ")
    for at in chance.sample(range(len(words)), len(words) // 3):
        inside = chance.randrange(len(words[at]))
        words[at] = words[at][:inside] + chance.choice(ZERO_WIDTH) + words[at][inside:]
    return text, " ".join(words)


def ligatures(voice: Voice) -> Pair:
    """Letter pairs as one character."""
    text = voice.message(lambda message: any(pair in message.text for pair in LIGATURES)).text
    changed = text
    for pair, one in LIGATURES.items():
        changed = changed.replace(pair, one)
    return text, changed


def unbroken(voice: Voice) -> Pair:
    """Every space non-breaking."""
    text = voice.message().text
    return text, text.replace(" ", "\u00a0")


def typo(voice: Voice) -> Pair:
    """Two letters swapped in one to three words."""
    message, chance = voice.message(), voice.chance
    core = list(message.core)
    long = [at for at, word in enumerate(core) if len(set(bare(word)[1:])) > 2]
    for at in chance.sample(long, min(len(long), 1 + chance.randrange(1 + len(core) // 40))):
        core[at] = _swapped(core[at], chance)
    return message.text, message.saying(core)


def word_edits(number: int) -> Kind:
    """`number` words replaced, added or left out."""

    def edit(voice: Voice) -> Pair:
        message, chance = voice.message(), voice.chance
        core = list(message.core)
        for at in sorted(chance.sample(range(len(core)), number), reverse=True):
            other = chance.choice([word for word in voice.words(8)[:-1] if bare(word) != bare(core[at])])
            core[at : at + 1] = chance.choice([[other], [core[at], other], []])
        return message.text, message.saying(core)

    return edit


def reordered(voice: Voice) -> Pair:
    """Clauses in another order."""
    message = voice.message(lambda message: len(clauses(message.core)) > 2)
    parts = clauses(message.core)
    turned = parts
    while turned == parts:
        turned = voice.chance.sample(parts, len(parts))
    return message.text, message.saying([word for part in turned for word in part])


def paraphrase(share: float) -> Kind:
    """This share of the words replaced by a synonym."""

    def swap(voice: Voice) -> Pair:
        message = voice.message(lambda message: len(_replaceable(message, voice)) >= share * len(message.core))
        core, table = list(message.core), voice.language.synonyms
        for at in voice.chance.sample(_replaceable(message, voice), max(1, round(share * len(core)))):
            core[at] = dressed(table[bare(core[at]).lower()], core[at])
        return message.text, message.saying(core)

    return swap


def wrapped(voice: Voice) -> Pair:
    """The whole text amid a third to once as many new words."""
    message = voice.message(unframed)
    new = max(8, int(len(message.core) * voice.chance.uniform(0.3, 1.0)))
    before = voice.chance.randrange(new // 4, new - new // 4)
    return message.text, " ".join([*voice.words(before), *message.core, *voice.words(new - before)])


def excerpt(voice: Voice) -> Pair:
    """Half to seven tenths of the text's own words, in one piece."""
    message, chance = voice.message(unframed), voice.chance
    kept = round(len(message.core) * chance.uniform(*EXCERPT))
    start = chance.randrange(len(message.core) - kept + 1)
    return message.text, " ".join(message.core[start : start + kept])


def rare_template(voice: Voice) -> Pair:
    """One text with other names and numbers, one for every fifteen words."""
    core = list(voice.message(unframed).core)
    slots = voice.chance.sample(range(len(core)), 1 + min(5, len(core) // 15))
    return " ".join(_filled(core, slots, voice)), " ".join(_filled(core, slots, voice))


def widespread_template(voice: Voice) -> Pair:
    """A text that one row in a thousand has, with other names and numbers."""
    template = voice.chance.choice(voice.language.shared.templates)
    return filled(template, voice), filled(template, voice)


def other_numbers(voice: Voice) -> Pair:
    """The same but for numbers."""
    core = list(voice.message(unframed).core)
    slots = voice.chance.sample(range(len(core)), 2)
    return tuple(" ".join(_numbered(core, slots, voice)) for _side in "ab")  # type: ignore[return-value]


def same_customer(voice: Voice) -> Pair:
    """Nothing in common but who wrote it."""
    return voice.message().text, voice.message().text


def dictated(voice: Voice) -> Pair:
    """Filler words after every four to eight words, as speech has them."""
    message, chance = voice.message(), voice.chance
    core: list[str] = []
    upto = 0
    for word in message.core:
        if not upto:
            core, upto = [*core, chance.choice(FILLERS)] if core else core, chance.randint(4, 8)
        core.append(word)
        upto -= 1
    return message.text, message.saying(core)


def unframed(message: Message) -> bool:
    """Long enough by its own words, whatever stands around them."""
    return len(message.core) >= LEAST


def filled(template: Iterable[str], voice: Voice) -> str:
    """The template with a name for NAME and a number for NUMBER."""
    given = {"NAME": voice.name, "NUMBER": voice.number}
    return " ".join(given[word]() if word in given else word for word in template)


def clauses(core: tuple[str, ...]) -> list[list[str]]:
    """The words between commas and full stops."""
    parts: list[list[str]] = [[]]
    for word in core:
        parts[-1].append(word)
        if word != bare(word):
            parts.append([])
    return [part for part in parts if part]


def _replaceable(message: Message, voice: Voice) -> list[int]:
    return [at for at, word in enumerate(message.core) if bare(word).lower() in voice.language.synonyms]


def _filled(core: list[str], slots: list[int], voice: Voice) -> list[str]:
    return [_entity(voice) if at in slots else word for at, word in enumerate(core)]


def _entity(voice: Voice) -> str:
    """A name of one or two words, or a number."""
    return voice.chance.choice([voice.name(), f"{voice.name()} {voice.name()}", voice.number()])


def _numbered(core: list[str], slots: list[int], voice: Voice) -> list[str]:
    return [voice.number() if at in slots else word for at, word in enumerate(core)]


def _swapped(word: str, chance: Random) -> str:
    """With two letters after the first swapped that differ."""
    at = chance.choice([at for at in range(1, len(bare(word)) - 1) if word[at] != word[at + 1]])
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


VARIANTS: dict[str, Kind] = {
    "exact": exact,
    "case and space": case_and_space,
    "punctuation": punctuation,
    "unicode": unicode_form,
    "other label": exact,
}
EDITS: dict[str, Kind] = {
    "typo": typo,
    "1 word edit": word_edits(1),
    "2 word edits": word_edits(2),
    "3 word edits": word_edits(3),
    "reordered": reordered,
    "rare template": rare_template,
    "widespread template": widespread_template,
    "other numbers": other_numbers,
}
PARTS: dict[str, Kind] = {"wrapped": wrapped, "excerpt": excerpt}
PARAPHRASES: dict[str, Kind] = {"light paraphrase": paraphrase(LIGHT), "heavy paraphrase": paraphrase(HEAVY)}
TEXT_KINDS: dict[str, Kind] = {**VARIANTS, **EDITS, **PARTS, **PARAPHRASES}
GROUP_KINDS: dict[str, Kind] = {"same customer": same_customer}
HELD_OUT: dict[str, Kind] = {"dictated": dictated}
