import random

import pytest

from data_contracts.text import canonical_json, normalised_words, words_hash


@pytest.mark.parametrize(
    "variant",
    [
        "Where's my card?",
        "where s MY card",
        "  where's\tmy\n card!!",
        "Where’s my card",  # a typographic apostrophe
        "Where's my\u200b card?",  # a zero-width space inside
        "\uff37here's my card",  # a full-width W
        "`Where's` my | card ~",
    ],
)
def test_case_space_punctuation_and_unicode_form_do_not_count(variant):
    assert words_hash(variant) == words_hash("Where's my card?")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("my card", "your card"),
        ("my card", "card my"),
        ("send 5", "send 6"),
        ("great 👍", "great 👎"),
        ("?", "!"),
        ("की", "का"),  # vowel signs are marks, not punctuation
    ],
)
def test_another_word_order_number_or_emoji_counts(left, right):
    assert words_hash(left) != words_hash(right)


def test_normalising_twice_changes_nothing():
    for text in ("Straße İSTANBUL", "ﬁne ½ №5", "ΌΣΟΣ", "a_b-c", "z\u200d\u0301", "?! .", "ｶﾞ \u00b4"):
        assert normalised_words(normalised_words(text)) == normalised_words(text)


def test_ascii_is_read_as_any_other_text():
    draw = random.Random(3)
    for _ in range(2000):
        text = "".join(chr(draw.randrange(128)) for _ in range(draw.randrange(12)))
        beside_a_letter = normalised_words(f"é {text} é")
        assert normalised_words(text) == beside_a_letter[2:-2] or not beside_a_letter[2:-2]


def test_canonical_json_is_the_same_whatever_the_order_of_keys():
    assert (
        canonical_json({"b": [1, 2.5], "a": "é"})
        == canonical_json({"a": "é", "b": [1, 2.5]})
        == '{"a":"é","b":[1,2.5]}'
    )
