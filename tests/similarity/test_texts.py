import random
import unicodedata

import numpy as np
import pyarrow as pa
import pytest

from data_contracts.text import SEPARATORS, normalised_words
from tasks.similarity import reading
from tasks.similarity.texts import Texts, spoken

NASTY = [
    *("Where's my card?", "where s MY card", "WHERE’S MY CARD", "where\u200b's my\u00adcard", "wheres my card"),
    *("ＷＨＥＲＥ　ＩＳ", "where is", "Where\u00a0is", "where\tis\r\n", "where-is", "where_is", "whereis"),
    *("ﬁnd the oﬃce", "find the office", "FIND THE OFFICE", "Straße", "STRASSE", "strasse", "straße", "ΌΣΟΣ", "όσος"),
    *("café", unicodedata.normalize("NFD", "café"), "CAFÉ", "cafe", "naïve", "it´s", "it's", "it`s"),
    *("İstanbul", "istanbul", "ıstanbul", "ISTANBUL", "ﷺ", "½ cup", "1⁄2 cup", "№5", "no5", "①②", "12", "⑩", "10"),
    *("👍", "👎", "👍🏽", "👍👎", "👍 👎", "❤️", "❤", "?!", "?", "!", "…", "...", "", " ", "\u200b", "\u3000"),
    *(
        "今天天气好",
        "今天 天气好",
        "今天，天气好",
        "今日天气好",
        "ｶﾞｷﾞ",
        "ガギ",
        "カギ",
        "한국어",
        unicodedata.normalize("NFD", "한국어"),
    ),
    *("ภาษาไทย", "ภาษา ไทย", "ພາສາລາວ", "ភាសា", "မြန်မာ", "की", "का", "а́", "о", "o", "5 €", "5", "€", "a\x00b", "a b"),
    *(
        "株式会社",
        "㍿",
        "キロ",
        "㌔",
        "5kg",
        "5 kg",
        "㎏",
        "kg",
        "𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
        "unicode",
        "\U000e0041",
        "𠮷野家",
        "𠮷 野家",
        "\ufdfa a",
    ),
]


def made_up(count: int) -> list[str]:
    draw = random.Random(5)
    letters = [*"aZ9 .'", *"ßéİıſ’ﬁ½Ⅷ²´…\u0301\u200d\u00a0", *"今カｶﾞ한ᄒไา", *"👍€\U0001f3fd\U00020bb7\u0345"]
    return ["".join(draw.choices(letters, k=draw.randrange(1, 9))) for _ in range(count)]


@pytest.mark.parametrize("rows", [NASTY, made_up(3000)], ids=["nasty", "made up"])
def test_rows_have_the_same_words_exactly_where_their_normalised_words_are_the_same(rows: list[str]) -> None:
    words = Texts.of(rows).words
    ours = [np.flatnonzero(words == word).tolist() for word in words]
    normal = [normalised_words(row) for row in rows]
    theirs = [[at for at, other in enumerate(normal) if other == row] for row in normal]
    assert ours == theirs


@pytest.mark.parametrize("rows", [NASTY, made_up(3000)], ids=["nasty", "made up"])
def test_the_compiled_reader_takes_the_words_that_are_spoken(rows: list[str]) -> None:
    texts = Texts.of(rows)
    hashes: dict[str, int] = {}
    for row, text in enumerate(rows):
        words = spoken(text) if normalised_words(text).translate(SEPARATORS).split() else []
        tokens = texts.tokens[texts.start[row] : texts.start[row] + texts.length[row]].tolist()
        assert len(tokens) == len(words), text
        assert all(hashes.setdefault(word, token) == token for word, token in zip(words, tokens, strict=True)), text
    assert len(set(hashes.values())) == len(hashes)


def test_a_number_is_one_masked_word_and_so_is_a_run_of_numbers() -> None:
    texts = Texts.of(["pay 1 234,50 now", "pay 7 now", "pay x7 now", "pay seven now"])
    assert texts.length.tolist() == [3, 3, 3, 3]
    assert texts.form[0] == texts.form[1] == 0, "two words say too little for a form"
    assert len(set(texts.words)) == 4


def test_texts_that_differ_in_numbers_only_have_one_form() -> None:
    forms = Texts.of(
        ["refund order 4711 of 12 May please", "Refund order 99-1 of 3 may please!", "refund order of may"]
    ).form
    assert forms[0] == forms[1] != forms[2]


@pytest.mark.parametrize("text", ["4711 99", "12 7", "", "?!", "order 5"])
def test_bare_numbers_and_few_words_have_no_form(text: str) -> None:
    assert Texts.of([text]).form.tolist() == [0]


def test_every_letter_of_a_language_without_spaces_is_a_word() -> None:
    assert Texts.of(["今天 天气", "ไทย", "ひらがな", "한국 어"]).length.tolist() == [4, 3, 4, 2]


def test_any_kind_of_column_is_read_and_a_missing_text_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [*NASTY, None, *made_up(300)]
    filled = [row or "" for row in rows]
    whole = Texts.of(filled)
    array = pa.array(["before", *rows, "behind"])[1:-1]
    chunks = pa.chunked_array([array[:10], array[10:10], array[10:200], array[200:]])
    monkeypatch.setattr(reading, "BYTES_A_PIECE", 64)
    for column in (array, chunks, array.dictionary_encode(), array.cast(pa.large_string())):
        texts = Texts.of(column)
        for name in ("words", "form", "length"):
            assert np.array_equal(getattr(texts, name), getattr(whole, name))
        assert [texts.text(row) for row in range(len(texts))] == filled


def test_some_rows_are_taken_in_any_order() -> None:
    texts = Texts.of(["one two", "three", "four five six"])
    taken = texts.take([2, 0]).take(slice(1, 2))
    assert taken.length.tolist() == [2]
    assert taken.text(0) == "one two"
    assert len(texts.take([])) == 0


def test_no_texts_are_texts_too() -> None:
    assert len(Texts.of([])) == 0
    assert len(Texts.of(pa.chunked_array([], pa.string()))) == 0
