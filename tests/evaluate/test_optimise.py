"""The texts that a library rewrites, and the budget it keeps to."""

import pytest

from data_contracts.candidate import FewShot, Prompt
from tasks.errors import ConfigurationError
from tasks.evaluate.optimise import NoTextError, Writer, last_start, texts_of, with_texts

PROMPT = Prompt(name="p", role="You sort.", rules=["One label.", "No reply."], few_shot=FewShot(count=3))


def test_a_prompt_is_the_same_after_its_texts_were_taken_out_and_put_back():
    assert with_texts(PROMPT, texts_of(PROMPT)) == PROMPT


def test_rules_are_read_a_line_each_whatever_they_are_listed_with():
    texts = texts_of(PROMPT) | {"rules": "- First.\n\n* Second.\n  • Third.  "}
    assert with_texts(PROMPT, texts).rules == ["First.", "Second.", "Third."]


@pytest.mark.parametrize(("train", "validation", "budget"), [(60, 60, 600), (5, 5, 50), (60, 17, 50)])
def test_a_turn_that_is_begun_ends_within_the_budget(train, validation, budget):
    turn = 2 * min(8, train) + validation
    begun = last_start(train, validation, budget) - 1  # the most answers after which another turn is begun
    assert begun + turn == budget
    assert begun >= validation, "the first prompt is scored, and one more can be"


def test_a_budget_for_no_turn_at_all_is_refused():
    with pytest.raises(ConfigurationError, match="81 answers do not reach for one rewritten prompt, which takes 82"):
        last_start(60, 33, 81)


def test_a_writer_that_must_stop_is_not_asked_again_and_one_without_words_is():
    asked = []

    def write(prompt):
        asked.append(prompt)
        raise NoTextError if len(asked) == 1 else ConfigurationError("a", "b", "c")

    writer = Writer(write, 100)
    for kind in (NoTextError, ConfigurationError, ConfigurationError):
        with pytest.raises(kind):
            writer("more")
    assert len(asked) == 2
    assert isinstance(writer.stopped, ConfigurationError)
