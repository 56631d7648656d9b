"""What is bought by another method than supervised tuning: preferences and reinforcement, from rows to a model."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from data_contracts.money import FineTuned
from tasks.errors import ConfigurationError, DataError
from tasks.steps import money
from tasks.workspace import Workspace, edge_of
from tests.small_use_case import USE_CASE, WORDS, small_use_case
from tests.stepwise import begin, take_data_steps, take_money_steps

GRADER = {
    "type": "string_check",
    "name": "same",
    "input": "{{sample.output_text}}",
    "reference": "{{item.reference_answer}}",
    "operation": "eq",
}


def use_case(folder: Path, mapped: bool = True, **bought: Any) -> Path:
    """The small use case with a second answer in every row, one that is wrong."""
    fine_tune = USE_CASE["fine_tune"] | bought
    path = small_use_case(folder, rows=200, fine_tune=fine_tune)
    draw, rows = random.Random(7), [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    for row in rows:
        row["worse"] = draw.choice(sorted(WORDS.keys() - {row["label"]}))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    contract = json.loads((folder / "contract.yaml").read_text())
    contract["columns"]["worse"] = {}
    contract["mapping"] |= {"rejected": "worse"} if mapped else {}
    (folder / "contract.yaml").write_text(json.dumps(contract))
    return path


def lines(space: Workspace) -> list[dict[str, Any]]:
    return [json.loads(line) for line in space.folder.file("training.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    "bought", [{"method": "dpo", "beta": 0.2}, {"method": "reinforcement", "grader": GRADER}], ids=["dpo", "grader"]
)
def test_a_tune_by_another_method_is_bought_and_answers(tmp_path: Path, own_home: Path, bought: dict[str, Any]) -> None:
    space = take_data_steps(begin(use_case(tmp_path / "case", **bought)))
    take_money_steps(space, edge_of(space), approved=True)  # nobody knows what reinforcement costs
    tuned = space.folder.read_json("tuned.json", FineTuned)
    assert tuned.model.startswith("ft:local-base-small") and tuned.jobs_found == 1


def test_a_preference_is_the_answer_and_the_one_beside_it(tmp_path: Path, own_home: Path) -> None:
    space = take_data_steps(begin(use_case(tmp_path / "case", method="dpo")))
    for line in lines(space):
        (preferred,), (other,) = line["preferred_output"], line["non_preferred_output"]
        assert {preferred["content"], other["content"]} <= set(WORDS) and preferred != other


def test_a_graded_line_ends_with_the_question(tmp_path: Path, own_home: Path) -> None:
    space = take_data_steps(begin(use_case(tmp_path / "case", method="reinforcement", grader=GRADER)))
    assert {line["messages"][-1]["role"] for line in lines(space)} == {"user"}
    assert {line["reference_answer"] for line in lines(space)} == set(WORDS)


def test_rows_without_a_second_answer_are_named(tmp_path: Path, own_home: Path) -> None:
    with pytest.raises(DataError, match=r"train row row-\d+: has no second answer.*mapping\.rejected"):
        take_data_steps(begin(use_case(tmp_path / "case", mapped=False, method="dpo")))


def test_a_method_and_its_settings_go_together(tmp_path: Path, own_home: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"fine_tune\.grader goes with method: reinforcement"):
        begin(use_case(tmp_path / "case", method="reinforcement"))
    with pytest.raises(ConfigurationError, match=r"fine_tune\.beta goes with method: dpo"):
        begin(use_case(tmp_path / "case", beta=0.1))


def test_what_a_provider_does_not_offer_stops_before_anything_is_sent(tmp_path: Path, own_home: Path) -> None:
    space = take_data_steps(begin(use_case(tmp_path / "case", hyperparameters={"lora_r": 8})))
    edge = edge_of(space)
    with pytest.raises(ConfigurationError, match="embedded does not know lora_r"):
        money.estimate(space, edge, train=True)
