"""Each kind of pair differs as it claims, and only so."""

import re
import unicodedata
from collections import Counter
from itertools import pairwise

import pytest

from tests.planted import kinds
from tests.planted.english import english
from tests.planted.hard_negatives import HARD_NEGATIVES
from tests.planted.kinds import EDITS, FILLERS, HELD_OUT, TEXT_KINDS, VARIANTS, Pair
from tests.planted.message import Voice, bare

PAIRS = 60


def said(voice: Voice, kind: kinds.Kind) -> list[Pair]:
    return [kind(voice) for _ in range(PAIRS)]


def words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", "".join(letter for letter in text if unicodedata.category(letter) != "Cf"))
    return re.findall(r"\w+", plain.lower().replace("'", ""))


def changed_words(pair: Pair) -> int:
    """Words of train's text that test's lacks."""
    return sum((Counter(words(pair[0])) - Counter(words(pair[1]))).values())


def shared(pair: Pair) -> float:
    """Share of the words of test's text that stand in train's too."""
    return sum((Counter(words(pair[0])) & Counter(words(pair[1]))).values()) / len(words(pair[1]))


def triples(text: str) -> set[tuple[str, ...]]:
    every = words(text)
    return {tuple(every[at : at + 3]) for at in range(len(every) - 2)}


@pytest.mark.parametrize("kind", VARIANTS)
def test_a_variant_has_the_same_words(voice: Voice, kind: str) -> None:
    assert all(words(trained) == words(judged) for trained, judged in said(voice, VARIANTS[kind]))


@pytest.mark.parametrize("kind", sorted({*TEXT_KINDS, *HELD_OUT} - {"exact", "other label"}))
def test_no_leak_but_the_exact_ones_is_the_same_text(voice: Voice, kind: str) -> None:
    assert all(trained != judged for trained, judged in said(voice, {**TEXT_KINDS, **HELD_OUT}[kind]))


@pytest.mark.parametrize(
    ("kind", "sign"),
    [
        (kinds.decomposed, lambda text: not unicodedata.is_normalized("NFC", text)),
        (kinds.full_width, lambda text: any(unicodedata.east_asian_width(letter) == "F" for letter in text)),
        (kinds.zero_width, lambda text: any(unicodedata.category(letter) == "Cf" for letter in text)),
        (kinds.ligatures, lambda text: any(letter in text for letter in kinds.LIGATURES.values())),
        (kinds.unbroken, lambda text: "\u00a0" in text),
    ],
)
def test_every_unicode_variant_shows_in_the_bytes(kind: kinds.Kind, sign) -> None:
    voice = Voice(english(), 5)
    assert all(sign(judged) and not sign(trained) for trained, judged in said(voice, kind))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_word_edits_touch_as_many_words_as_they_say(voice: Voice, number: int) -> None:
    assert all(
        0 < changed_words(pair) + changed_words(pair[::-1]) <= 2 * number
        for pair in said(voice, EDITS[f"{number} word edit{'s' * (number > 1)}"])
    )


def test_a_typo_keeps_the_letters(voice: Voice) -> None:
    for trained, judged in said(voice, kinds.typo):
        assert Counter(trained) == Counter(judged)
        assert 1 <= changed_words((trained, judged)) <= 11


def test_reordering_keeps_the_words_and_changes_their_order(voice: Voice) -> None:
    for trained, judged in said(voice, kinds.reordered):
        assert Counter(words(trained)) == Counter(words(judged))
        assert words(trained) != words(judged)


@pytest.mark.parametrize(("share", "least", "most"), [(kinds.LIGHT, 0.04, 0.15), (kinds.HEAVY, 0.1, 0.36)])
def test_a_paraphrase_swaps_its_share_of_the_words(voice: Voice, share: float, least: float, most: float) -> None:
    pairs = said(voice, kinds.paraphrase(share))
    swapped = [1 - shared(pair) for pair in pairs]
    assert max(swapped) <= most
    assert least < sum(swapped) / len(swapped)


def test_a_synonym_is_another_word(voice: Voice) -> None:
    assert all(word != other for word, other in voice.language.synonyms.items())


def test_wrapped_text_stands_whole_amid_new_words(voice: Voice) -> None:
    for trained, judged in said(voice, kinds.wrapped):
        assert len(words(judged)) > len(words(judged.replace(" ".join(core_of(trained, judged)), ""))) > 0


def core_of(trained: str, judged: str) -> list[str]:
    """The longest run of train's words that stands in test's text."""
    every = trained.split()
    runs = (every[start:end] for start in range(len(every)) for end in range(len(every), start, -1))
    return next(run for run in sorted(runs, key=len, reverse=True) if " ".join(run) in judged)


def test_an_excerpt_is_one_piece_of_half_to_seven_tenths(voice: Voice) -> None:
    for trained, judged in said(voice, kinds.excerpt):
        assert judged in trained
        assert len(judged.split()) <= 0.7 * len(trained.split()) + 1


@pytest.mark.parametrize("kind", ["rare template", "widespread template"])
def test_templates_differ_in_names_and_numbers_only(voice: Voice, kind: str) -> None:
    entities = {name.lower() for name in voice.language.names}
    for trained, judged in said(voice, EDITS[kind]):
        gone = (Counter(words(trained)) - Counter(words(judged))) + (Counter(words(judged)) - Counter(words(trained)))
        taken_out = {bare(word).lower() for word in trained.split()} if kind == "rare template" else set()
        assert all(word in entities | taken_out or word.isdigit() for word in gone)


def test_other_numbers_are_all_that_differs(voice: Voice) -> None:
    for trained, judged in said(voice, kinds.other_numbers):
        assert re.sub(r"\d+", "#", trained) == re.sub(r"\d+", "#", judged)


def test_dictated_text_has_fillers_on_top(voice: Voice) -> None:
    for trained, judged in said(voice, kinds.dictated):
        extra = Counter(words(judged)) - Counter(words(trained))
        assert set(extra) <= set(FILLERS)
        assert extra.total() >= 1


@pytest.mark.parametrize(("kind", "least", "most"), [("same frame", 0.5, 0.85), ("same frame and footer", 0.72, 0.95)])
def test_framed_strangers_share_what_they_claim(voice: Voice, kind: str, least: float, most: float) -> None:
    shares = [shared(pair) for pair in said(voice, HARD_NEGATIVES[kind])]
    assert least <= min(shares)
    assert max(shares) <= most


def test_the_cores_of_framed_strangers_have_no_three_words_in_a_row_in_common(voice: Voice) -> None:
    blocks = voice.language.shared
    ends = [f"{closing} {footer}" for closing in blocks.closings for footer in blocks.footers]
    frames = set().union(*(triples(block) for block in (*blocks.greetings, *ends)))
    pairs = [pair for kind in ("same frame", "same frame and footer") for pair in said(voice, HARD_NEGATIVES[kind])]
    own = [len((triples(trained) & triples(judged)) - frames) for trained, judged in pairs]
    assert sum(own) / len(own) < 0.2


def test_forms_share_their_labels_and_not_their_values(voice: Voice) -> None:
    for trained, judged in said(voice, HARD_NEGATIVES["same form"]):
        both = [[line.split(":", 1) for line in text.splitlines()] for text in (trained, judged)]
        assert [label for label, _value in both[0]] == [label for label, _value in both[1]]
        assert all(first[1] != second[1] for first, second in zip(*both, strict=True))


def test_the_same_intent_in_other_words_shares_hardly_three_words_in_a_row(voice: Voice) -> None:
    pairs = said(voice, HARD_NEGATIVES["same intent"])
    common = [len(triples(trained) & triples(judged)) / len(triples(judged)) for trained, judged in pairs]
    assert sum(common) / len(common) < 0.05
    assert all(trained != judged for trained, judged in pairs)


def test_every_leak_but_a_widespread_template_has_a_text_of_its_own(voice: Voice) -> None:
    texts = [kind(voice)[0] for name, kind in TEXT_KINDS.items() if name != "widespread template" for _ in range(20)]
    for one, other in pairwise(texts):
        assert one != other
    assert len(set(texts)) == len(texts)
