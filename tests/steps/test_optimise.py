"""A library writes prompts: from train rows only, within its budget, and paid for once."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks.errors import BudgetError, ConfigurationError, CredentialsError
from tasks.steps import prompt_search
from tasks.workspace import Workspace
from tests.evaluate.scripted_endpoint import refusal
from tests.small_use_case import USE_CASE, small_use_case
from tests.steps.planted_model import WRITER, asked, planted, told_to_write
from tests.stepwise import begin, take_data_steps, unseen

BETTER = "Here it is:\n```\nYou sort notes by topic at quality 95.\n```\nGood luck."
OPTIMISER = {"model": WRITER, "max_answers": 120, "train_rows": 20, "validation_rows": 24}


class Closed(Workspace):
    """A workspace that opens no test row."""

    def rows(self, partition: str, *columns: Any) -> pd.DataFrame:
        assert partition != "test"
        return super().rows(partition, *columns)


def begun(
    folder: Path, optimiser: dict[str, Any] | None = None, text_policy: dict[str, Any] | None = None, **prompts: Any
) -> Workspace:
    """A run about to search its prompts on forty rows and to have more of them written."""
    settings = USE_CASE["prompts"] | {"optimiser": OPTIMISER | (optimiser or {})} | prompts
    sections = {"split": {"min_test": 20, "validation": 0.3}, "text_policy": text_policy or {}, "prompts": settings}
    path = small_use_case(folder / "case", rows=220, **sections)
    return Closed(take_data_steps(begin(path, train=False)).folder)


def better(told: str) -> str:
    return BETTER


def test_a_better_instruction_that_the_writer_has_is_found_and_wins_on_validation(
    own_home: Path, tmp_path: Path
) -> None:
    space = begun(tmp_path)
    with planted(space, own_home, better) as edge:
        found = prompt_search.search(space, edge, unseen)
    best = found.tried[0]
    assert best.candidate.name == "local-base-small/gepa"
    assert "quality 95" in best.candidate.prompt.model_dump_json()
    assert best.candidate.prompt.description.startswith("Written by gepa with writer, from ")
    assert (best.rows, best.score > 0.8 > found.tried[1].score) == (40, True)


def test_no_test_row_reaches_the_model_or_the_writer_and_the_writer_sees_train_rows_only(
    own_home: Path, tmp_path: Path
) -> None:
    space = begun(tmp_path)
    with planted(space, own_home, better) as edge:
        prompt_search.search(space, edge, unseen)
        shown, sent = "\n".join(told_to_write(edge)), json.dumps(asked(edge))
    seen = {part: Workspace.rows(space, part)["input"] for part in ("train", "validation", "test")}
    assert not any(text in sent or text in shown for text in seen["test"])
    assert not any(text in shown for text in seen["validation"])
    assert any(text in shown for text in seen["train"])


def test_the_writer_is_told_what_was_answered_and_what_was_expected(own_home: Path, tmp_path: Path) -> None:
    space = begun(tmp_path)
    with planted(space, own_home, better) as edge:
        prompt_search.search(space, edge, unseen)
        first = told_to_write(edge)[0]
    assert all(heading in first for heading in ("## Input", "## Answer", "## Expected", "## Feedback\nWrong."))


def test_it_asks_no_more_than_it_may(own_home: Path, tmp_path: Path) -> None:
    space = begun(tmp_path)
    with planted(space, own_home, better) as edge:
        found = prompt_search.search(space, edge, unseen)
        variants = len(space.prompts) * 40
        assert len(asked(edge)) <= variants + OPTIMISER["max_answers"] + 40
    assert found.optimiser.startswith("gepa, ")
    assert found.optimiser.endswith(" answers on each of 1 base models")
    assert int(found.optimiser.split()[1]) <= OPTIMISER["max_answers"]


def test_each_base_model_gets_a_prompt_of_its_own_from_its_own_best(own_home: Path, tmp_path: Path) -> None:
    space = begun(tmp_path, base_models=["small", "large"])
    with planted(space, own_home, better) as edge:
        found = prompt_search.search(space, edge, unseen)
    written = {
        item.candidate.name: item.candidate.model for item in found.tried if item.candidate.prompt.name == "gepa"
    }
    assert written == {"small/gepa": "small", "large/gepa": "large"}
    kept = json.loads(space.folder.read_bytes("optimised_prompts.json"))
    assert kept.keys() == written.keys()


def test_a_writer_without_a_better_idea_adds_no_prompt_and_that_is_said(own_home: Path, tmp_path: Path) -> None:
    space = begun(tmp_path, {"start": "described"})
    with planted(space, own_home, lambda told: "```\nYou sort notes at quality 1.\n```") as edge:
        found = prompt_search.search(space, edge, unseen)
    assert len(found.tried) == len(space.prompts)
    assert "gepa found nothing better than local-base-small/described on its 24 rows." in found.notes
    assert json.loads(space.folder.read_bytes("optimised_prompts.json")) == {}


def test_a_rerun_that_writes_nothing_leaves_no_prompt_of_the_one_before(own_home: Path, tmp_path: Path) -> None:
    space = begun(tmp_path)
    space.folder.write_json("optimised_prompts.json", {"local-base-small/gepa": {"name": "gepa"}})
    with planted(space, own_home, lambda told: "```\nYou sort notes at quality 1.\n```") as edge:
        prompt_search.search(space, edge, unseen)
    assert json.loads(space.folder.read_bytes("optimised_prompts.json")) == {}


def test_what_is_written_from_train_rows_is_refused_where_the_registry_may_hold_none(
    own_home: Path, tmp_path: Path
) -> None:
    space = begun(tmp_path, text_policy={"few_shot_in_registry": False})
    both = r"prompts\.optimiser.*quote train rows.*text_policy\.few_shot_in_registry"
    with planted(space, own_home, better) as edge:
        with pytest.raises(ConfigurationError, match=both):
            prompt_search.search_panel(space, edge)
        assert asked(edge) == []


def test_a_refused_or_cut_off_text_costs_one_try_and_no_prompt(own_home: Path, tmp_path: Path) -> None:
    space = begun(tmp_path)
    answers = iter([refusal(400, "no_such_thing"), BETTER])
    with planted(space, own_home, lambda told: next(answers, BETTER)) as edge:
        assert prompt_search.search(space, edge, unseen).best.prompt.name == "gepa"


def test_what_stops_the_writer_stops_the_run(own_home: Path, tmp_path: Path) -> None:
    space = begun(tmp_path)
    with (
        planted(space, own_home, lambda told: refusal(401, "invalid_api_key")) as edge,
        pytest.raises(CredentialsError),
    ):
        prompt_search.search(space, edge, unseen)


def killing(after: int) -> Callable[[int, int], None]:
    def progress(done: int, of: int) -> None:
        if done >= after:
            raise KeyboardInterrupt

    return progress


def test_a_kill_in_the_middle_of_it_costs_no_second_answer_and_the_writer_counts_as_search_money(
    own_home: Path, tmp_path: Path
) -> None:
    space = begun(tmp_path)
    with planted(space, own_home, better) as edge:
        with pytest.raises(KeyboardInterrupt):
            prompt_search.search(space, edge, killing(after=160))
        assert told_to_write(edge)
        found = prompt_search.search(space, edge, unseen)
        bodies = [json.dumps(body, sort_keys=True) for body in asked(edge)]
        prices = 9e-6  # 7 tokens in and 2 out, at a dollar a million
        paid = len(bodies) + len(told_to_write(edge))
        assert edge.ledger.spent_in_run(space.folder.run) == pytest.approx(paid * prices)
    assert len(bodies) == len(set(bodies))
    assert found.best.prompt.name == "gepa"


def test_a_second_identical_run_is_known_beforehand_and_asks_nobody(own_home: Path, tmp_path: Path) -> None:
    space = begun(tmp_path)
    with planted(space, own_home, better) as edge:
        assert prompt_search.replay(space, edge) is None
        found = prompt_search.search(space, edge, unseen)
        before = len(asked(edge)) + len(told_to_write(edge))
        again = take_data_steps(begin(space.case.folder / "small.yaml", train=False))
        assert prompt_search.replay(again, edge) == found.best
        assert prompt_search.search(again, edge, unseen).tried == found.tried
        assert len(asked(edge)) + len(told_to_write(edge)) == before


@pytest.mark.parametrize(
    ("optimiser", "prompts", "says"),
    [
        ({"start": "nobody"}, {}, "no prompt nobody.*described, minimal, shown"),
        ({"max_answers": 50}, {}, "50 answers do not reach .* takes 64.*max_answers"),
        ({}, {"folds": 5}, "folds"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_asked(
    own_home: Path, tmp_path: Path, optimiser: dict[str, Any], prompts: dict[str, Any], says: str
) -> None:
    space = begun(tmp_path, optimiser, **prompts)
    with planted(space, own_home, better) as edge:
        with pytest.raises(ConfigurationError, match=says):
            prompt_search.search_panel(space, edge)
        assert asked(edge) == []


@pytest.mark.parametrize(("dollars_a_million", "reaches"), [(1.0, True), (600.0, False)])
def test_what_the_writer_may_cost_counts_in_the_budget_of_the_search(
    own_home: Path, tmp_path: Path, dollars_a_million: float, reaches: bool
) -> None:
    space = begun(tmp_path, search_budget=0.2)
    with planted(space, own_home, better, {WRITER: dollars_a_million}) as edge:
        if reaches:
            assert len(prompt_search.search_panel(space, edge).rows) == 40
        else:
            with pytest.raises(BudgetError, match=r"prompts\.optimiser\.max_answers"):
                prompt_search.search_panel(space, edge)


def test_a_library_that_is_not_there_is_named_with_the_way_to_get_it(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = begun(tmp_path)
    monkeypatch.setitem(sys.modules, "gepa", None)
    with planted(space, own_home, better) as edge, pytest.raises(ConfigurationError, match=r"tunegate\[gepa\]"):
        prompt_search.search_panel(space, edge)
