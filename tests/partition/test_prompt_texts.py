"""Evaluation texts in prompts."""

import pytest

from data_contracts.data_policy import Leakage
from tasks.partition.leaks.prompt_texts import texts_in_prompts
from tests.partition.leaky import SPARE, Leaky, planted

LID = "my parcel came with a broken lid"
FOUND = ("prompt", "id", "kind")


def told(data: Leaky, **prompts: list[str]) -> list[tuple[str, str, str]]:
    found = data.find(Leakage())
    return list(
        texts_in_prompts(prompts, data.partitions, found.search)[list(FOUND)].itertuples(index=False, name=None)
    )


def test_a_test_text_that_stands_in_a_prompt_is_named_with_the_prompt() -> None:
    data = planted([], [LID, "broken lid"])
    prompts = {
        "plain": ["Nothing here"],
        "shots": ["Be brief.", "Example: My parcel came, with a broken LID. -> damaged"],
    }
    assert told(data, **prompts) == [("shots", "test-20", "same words")]
    assert told(data, unlike=["say whether the parcel that came with the lid was a broken one"]) == []
    assert told(data) == []


@pytest.mark.parametrize("text", ["where is my new card", "我的卡在哪里"])
def test_five_words_are_enough_and_four_are_not(text: str) -> None:
    assert told(planted([], [text]), prompt=[f"Q: {text}? A: lost"]) == [("prompt", "test-20", "same words")]
    assert told(planted([], ["where is my card"]), prompt=["Q: where is my card? A: lost"]) == []


def test_a_quotation_with_small_edits_is_found() -> None:
    text = f"{SPARE[0]} {SPARE[1]}"
    edited = text.replace(text.split()[4], "indeed")
    ((prompt, row, kind),) = told(planted([], [text]), prompt=[f"{SPARE[5]} Example: {edited} -> yes {SPARE[6]}"])
    assert (prompt, row) == ("prompt", "test-20")
    assert kind in ("near", "shared passages")


def test_a_quotation_in_a_very_long_prompt_is_found() -> None:
    rules = " ".join(SPARE[10:70])
    ((_, row, _),) = told(planted([], [f"{SPARE[0]} {SPARE[1]}"]), prompt=[f"{rules} {SPARE[0]} {SPARE[1]} {rules}"])
    assert row == "test-20"


def test_a_train_text_in_a_prompt_is_fine() -> None:
    assert told(planted([LID], []), prompt=[f"Example: {LID}"]) == []
