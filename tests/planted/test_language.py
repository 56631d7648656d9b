"""Words come in sentences and with frequencies like those of the language that they are drawn from."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from tests.planted.data import LANGUAGES
from tests.planted.english import WORD, english
from tests.planted.language import Language
from tests.planted.message import bare
from tests.planted.syllables import syllables


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> Language:
    return LANGUAGES[request.param]()


def spoken(language: Language, texts: int, length: int, seed: int = 3) -> list[str]:
    lengths = np.full(texts, length, np.int32)
    return list(language.pieces[language.spoken(lengths, np.random.default_rng(seed))])


def test_the_held_out_vocabulary_shares_no_word_with_english() -> None:
    blocks = [language.shared for language in (english(), syllables())]
    assert not set(english().vocabulary) & set(syllables().vocabulary)
    assert not set(english().names) & set(syllables().names)
    for part in ("greetings", "closings", "footers", "form"):
        one, other = (" ".join(getattr(block, part)).lower() for block in blocks)
        assert not set(WORD.findall(one)) & set(WORD.findall(other))


def test_words_are_as_frequent_as_in_the_corpus(language: Language) -> None:
    corpus = Counter(language.vocabulary[word] for word in language.chain.corpus)
    drawn = Counter(bare(word).lower() for word in spoken(language, 2000, 100))
    for word, times in corpus.most_common(20):
        assert drawn[word] / drawn.total() == pytest.approx(times / corpus.total(), rel=0.25)


def test_a_word_follows_as_it_does_in_the_corpus(language: Language) -> None:
    corpus = set(zip(language.chain.corpus[:-1], language.chain.corpus[1:], strict=True))
    drawn = language.chain.draw(np.full(50, 200, np.int32), np.random.default_rng(3))
    known = [(one, other) in corpus for one, other in pairwise(drawn)]
    assert np.mean(known) > 0.85


def test_the_same_chance_says_the_same_again(language: Language) -> None:
    assert spoken(language, 20, 50) == spoken(language, 20, 50)
    assert spoken(language, 20, 50) != spoken(language, 20, 50, seed=4)


def test_sentences_start_with_a_capital_and_texts_end_with_a_full_stop(language: Language) -> None:
    words = spoken(language, 1, 400)
    after = [word for before, word in pairwise(words) if before.endswith(".")]
    assert words[-1].endswith(".")
    assert all(word[0].isupper() or not word[0].isalpha() for word in after)


def test_one_word_in_fifty_is_a_number(language: Language) -> None:
    words = [bare(word) for word in spoken(language, 500, 100)]
    numbers = sum(word.isdigit() for word in words)
    assert numbers / len(words) == pytest.approx(0.02, abs=0.004)


def test_some_names_carry_accents(language: Language) -> None:
    assert 0.02 < np.mean([not name.isascii() for name in language.names]) < 0.1
