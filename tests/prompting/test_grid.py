"""Variants by combination, under names that say what they change."""

import pytest

from data_contracts.candidate import Decoding, FewShot, Prompt
from data_contracts.contract import Contract
from data_contracts.use_case import ResolvedUseCase, UseCase
from tasks.errors import ConfigurationError
from tasks.prompting.grid import expand
from tests.small_use_case import CONTRACT, USE_CASE

PROMPTS = {
    "minimal": Prompt(name="minimal"),
    "plain": Prompt(name="plain", role="You sort.", decoding=Decoding(max_tokens=12)),
}


def made(prompts=PROMPTS, kind="classification", **grid):
    settings = USE_CASE | {"kind": kind, "prompts": USE_CASE["prompts"] | {"grid": grid}}
    case = ResolvedUseCase(
        use_case=UseCase.model_validate(settings), contract=Contract.model_validate(CONTRACT), folder="."
    )
    return expand(prompts, case)


def new(found):
    return [name for name in found if name not in PROMPTS]


def test_without_a_grid_there_are_the_prompts_of_the_folder_only():
    case = ResolvedUseCase(
        use_case=UseCase.model_validate(USE_CASE), contract=Contract.model_validate(CONTRACT), folder="."
    )
    assert expand(PROMPTS, case) == PROMPTS


def test_every_value_is_combined_with_every_other_and_the_name_says_what_differs():
    found = made(labels=["none", "names"], few_shot=[{"count": 0}, {"count": 5, "choose": "similar"}])
    assert new(found) == [
        "plain+labels=names",
        "plain+few_shot=5 similar",
        "plain+few_shot=5 similar+labels=names",
    ]
    both = found["plain+few_shot=5 similar+labels=names"]
    assert (both.name, both.role, both.labels) == ("plain+few_shot=5 similar+labels=names", "You sort.", "names")
    assert both.few_shot == FewShot(count=5, choose="similar")


def test_the_minimal_prompt_is_varied_only_where_it_is_named():
    assert new(made(labels=["names"])) == ["plain+labels=names"]
    assert new(made(labels=["names"], of=["minimal"])) == ["minimal+labels=names"]


def test_what_says_the_same_as_another_prompt_is_tried_once():
    prompts = PROMPTS | {"listing": PROMPTS["plain"].model_copy(update={"name": "listing", "labels": "names"})}
    found = made(prompts, labels=["names"], few_shot=[{"count": 0, "choose": "similar"}])
    assert list(found) == ["minimal", "plain", "listing"]


def test_what_is_switched_off_is_said_too():
    prompts = PROMPTS | {"asked": Prompt(name="asked", role="Sort.", structured=True, reasoning=True)}
    assert "asked+no structured+no reasoning" in made(prompts, structured=[False], reasoning=[False])


def test_reasoning_gets_room_for_it():
    found = made(reasoning=[True], temperature=[0.5])
    variant = found["plain+reasoning+temperature=0.5"]
    assert variant.decoding == Decoding(max_tokens=512, temperature=0.5)
    assert found["plain"].decoding.max_tokens == 12


def test_an_unknown_prompt_names_those_that_there_are():
    with pytest.raises(ConfigurationError, match=r"prompts: nobody. There are: minimal, plain"):
        made(of=["nobody"])


def test_nothing_to_vary_is_an_error():
    with pytest.raises(ConfigurationError, match="no prompt but the minimal one"):
        made({"minimal": PROMPTS["minimal"]}, labels=["names"])


def test_labels_are_refused_where_answers_are_no_labels():
    with pytest.raises(ConfigurationError, match=r"prompts\.grid\.labels"):
        made(kind="free_text", labels=["names"])


def test_structured_is_refused_without_a_schema():
    with pytest.raises(ConfigurationError, match="output_schema"):
        made(kind="free_text", structured=[True, False])
