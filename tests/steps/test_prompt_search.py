"""The prompt search: which rows it takes, in rounds, within a budget, and what it says of them."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks.errors import BudgetError, ConfigurationError
from tasks.evaluate.questions import build
from tasks.steps import prompt_search
from tasks.workspace import Workspace
from tests.small_use_case import USE_CASE, small_rows, small_use_case
from tests.steps.planted_model import asked as asked_of
from tests.steps.planted_model import planted, system_of, write_prompts
from tests.stepwise import begin, edge_of, take_data_steps, unseen

Asked = Callable[[], Any]
QUALITIES = {"bad": 10, "poor": 30, "fair": 50, "good": 70, "best": 95}


def test_the_search_asks_each_variant_each_validation_row_and_no_test_row(sealed: Workspace, asked: Asked) -> None:
    edge = edge_of(sealed)
    with asked() as calls:
        found = prompt_search.search(sealed, edge, unseen)
    variants, rows = prompt_search.variants(sealed), len(sealed.partitions.validation)
    assert Counter(call["call"] for call in calls)["chat.create"] == len(variants) * rows
    assert {tried.rows for tried in found.tried} == {rows}
    of_test = replace(prompt_search.search_panel(sealed, edge), rows=sealed.rows("test"))
    assert not edge.ledger.stored_answers([question.request for question in build(of_test)])


def test_the_search_takes_no_more_rows_than_it_was_told_and_the_same_for_each_variant(
    own_home: Path, tmp_path: Path
) -> None:
    path = small_use_case(tmp_path / "case", rows=200, split={"min_test": 20, "validation": 0.3})
    space = take_data_steps(begin(path, settings={"prompts.search_rows": 20}))
    questions = build(prompt_search.search_panel(space, edge_of(space)))
    cases = {
        name: {one.case for one in questions if one.candidate == name} for name in {q.candidate for q in questions}
    }
    assert len(space.partitions.validation) > 20
    assert {len(asked) for asked in cases.values()} == {20}
    assert len({frozenset(asked) for asked in cases.values()}) == 1
    assert set.union(*cases.values()) <= set(space.partitions.validation["id"])


def test_examples_of_a_prompt_come_from_train_only(copy: Workspace) -> None:
    questions = build(prompt_search.search_panel(copy, edge_of(copy)))
    sent = b"".join(question.body for question in questions).decode()
    assert not any(text in sent for text in copy.rows("test")["input"])
    asked = copy.rows("validation").set_index("id").loc[[question.case for question in questions], "input"]
    assert {sent.count(text) for text in asked} == {len(copy.prompts)}, "as the question of each prompt, never more"
    assert sum(text in sent for text in copy.rows("train")["input"]) > 10


# ---------------------------------------------------------------- folds


@pytest.fixture
def folded(own_home: Path, tmp_path: Path) -> Workspace:
    """A run on few rows, in groups of three, about to search its prompts in five folds."""
    changes = {"split": {"min_test": 10}, "leakage": {"on_leak": "withhold"}}
    path = small_use_case(tmp_path / "case", rows=90, **changes)
    contract = json.loads((tmp_path / "case" / "contract.yaml").read_text())
    contract["columns"]["sender"], contract["mapping"]["group"] = {}, "sender"
    (tmp_path / "case" / "contract.yaml").write_text(json.dumps(contract))
    grouped = [row | {"sender": f"sender-{number // 3}"} for number, row in enumerate(small_rows(90, seed=1))]
    (tmp_path / "case" / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in grouped))
    return take_data_steps(begin(path, train=False, settings={"prompts.folds": 5}))


def in_search(space: Workspace) -> pd.DataFrame:
    return pd.concat([space.rows("train"), space.rows("validation")])


def test_in_folds_every_variant_is_scored_on_all_train_and_validation_rows_and_no_test_row(folded: Workspace) -> None:
    edge, searched = edge_of(folded), in_search(folded)
    found = prompt_search.search(folded, edge, unseen)
    assert (found.folds, {tried.rows for tried in found.tried}) == (5, {len(searched)})
    answers = folded.folder.read_frame("validation_answers.parquet")
    assert set(answers["case"]) == set(searched["id"])
    assert set(answers["case"]).isdisjoint(folded.partitions.test["id"])


def test_without_folds_the_search_says_that_there_were_none(sealed: Workspace) -> None:
    assert prompt_search.search(sealed, edge_of(sealed), unseen).folds is None


def test_in_folds_no_row_is_shown_an_example_of_its_own_group(folded: Workspace) -> None:
    questions = build(prompt_search.search_panel(folded, edge_of(folded)))
    searched = in_search(folded).set_index("id")
    kin = {id_: set(searched["input"][searched["group"] == row.group]) for id_, row in searched.iterrows()}
    shown = 0
    for question in questions:
        body = json.dumps(json.loads(question.body), ensure_ascii=False)
        told = {text for text in searched["input"] if text in body} - {searched.loc[question.case, "input"]}
        assert told.isdisjoint(kin[question.case])
        shown += len(told)
    assert shown == 3 * len(searched), "the one variant with examples shows three of other folds"


# ---------------------------------------------------------------- the grid


def test_the_grid_is_tried_on_every_base_model(own_home: Path, tmp_path: Path) -> None:
    space = begun(tmp_path, grid={"of": ["described"], "reasoning": [True]}, base_models=["a", "b"])
    names = {candidate.name for candidate in prompt_search.variants(space)}
    assert {"a/described+reasoning", "b/described+reasoning", "a/minimal"} <= names
    assert len(names) == 2 * (len(space.prompts) + 1)


# ---------------------------------------------------------------- rounds


def begun(folder: Path, rows: int = 300, **prompts: Any) -> Workspace:
    """A run of five prompts of known quality besides the use case's own, about to search."""
    settings = {"prompts": USE_CASE["prompts"] | {"search_rows": 80} | prompts}
    path = small_use_case(folder / "case", rows=rows, split={"min_test": 20, "validation": 0.4}, **settings)
    write_prompts(folder / "case" / "prompts", **QUALITIES)
    return take_data_steps(begin(path, train=False))


def test_in_rounds_the_better_half_goes_on_to_twice_the_rows(own_home: Path, tmp_path: Path) -> None:
    space = begun(tmp_path, rounds=3)
    with planted(space, own_home, str) as edge:
        found = prompt_search.search(space, edge, unseen)
        per_prompt = Counter(system_of(body).split("\n")[0] for body in asked_of(edge))
    reached = {item.candidate.prompt.name: (item.round, item.rows) for item in found.tried}
    assert Counter(reached.values()) == {(1, 20): 4, (2, 40): 2, (3, 80): 2}
    assert reached["best"] == (3, 80)
    assert reached["bad"] == (1, 20)
    assert found.best.prompt.name == "best"
    assert per_prompt["You sort notes at quality 95."] == 80, "no row is asked twice"
    assert per_prompt["You sort notes at quality 10."] == 20


def test_a_prompt_of_few_rows_never_stands_before_one_of_the_last_round(own_home: Path, tmp_path: Path) -> None:
    space = begun(tmp_path, rounds=3)
    with planted(space, own_home, str) as edge:
        rounds = [item.round for item in prompt_search.search(space, edge, unseen).tried]
    assert rounds == sorted(rounds, reverse=True)


def test_all_rounds_take_rows_of_one_order_so_that_they_are_paired(own_home: Path, tmp_path: Path) -> None:
    space = begun(tmp_path, rounds=3)
    with planted(space, own_home, str) as edge:
        prompt_search.search(space, edge, unseen)
    answers = space.folder.read_frame("validation_answers.parquet")
    cases = sorted((set(side["case"]) for _, side in answers.groupby("candidate")), key=len)
    assert all(few <= many for few, many in pairwise(cases))
    assert not answers.duplicated(["candidate", "case"]).any()


def test_a_search_that_was_killed_half_way_pays_for_nothing_twice(own_home: Path, tmp_path: Path) -> None:
    space = begun(tmp_path, rounds=3)
    with planted(space, own_home, str) as edge:

        def kill(done: int, of: int) -> None:
            if done >= 120:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            prompt_search.search(space, edge, kill)
        prompt_search.search(space, edge, unseen)
        bodies = Counter(json.dumps(body, sort_keys=True) for body in asked_of(edge))
    assert set(bodies.values()) == {1}


def test_what_a_search_will_find_is_known_without_asking_once_its_answers_are_stored(
    own_home: Path, tmp_path: Path
) -> None:
    space = begun(tmp_path, rounds=3)
    with planted(space, own_home, str) as edge:
        assert prompt_search.replay(space, edge) is None
        found = prompt_search.search(space, edge, unseen)
        before = len(asked_of(edge))
        again = take_data_steps(begin(space.case.folder / "small.yaml", train=False))
        spent = edge.ledger.spent_in_run(again.folder.run)
        assert prompt_search.replay(again, edge) == found.best
        assert len(asked_of(edge)) == before
        assert edge.ledger.spent_in_run(again.folder.run) == spent == 0
        assert not again.folder.has("prompt_search.json")


# ---------------------------------------------------------------- the search's own budget


def test_a_search_above_its_budget_takes_fewer_rows_and_says_so(own_home: Path, tmp_path: Path) -> None:
    space = begun(tmp_path, search_budget=0.04)
    with planted(space, own_home, str) as edge:
        found = prompt_search.search(space, edge, unseen)
        spent = edge.ledger.spent_in_run(space.folder.run)
    (rows,) = {item.rows for item in found.tried}
    assert 20 < rows < 80
    assert f"`prompts.search_budget` of $0.0400 has room for {rows} of 80 validation rows." in found.notes
    assert spent <= 0.04


def test_a_budget_that_does_not_reach_for_twenty_rows_stops_before_anything_is_asked(
    own_home: Path, tmp_path: Path
) -> None:
    space = begun(tmp_path, search_budget=0.001)
    with planted(space, own_home, str) as edge:
        with pytest.raises(BudgetError, match=r"20 rows.*Raise `prompts\.search_budget`"):
            prompt_search.search_panel(space, edge)
        assert asked_of(edge) == []


# ---------------------------------------------------------------- what is said


def test_the_notes_say_how_many_prompts_were_tried_on_how_many_rows(sealed: Workspace) -> None:
    found = prompt_search.search(sealed, edge_of(sealed), unseen)
    assert found.notes == [f"3 prompts were tried on {len(sealed.partitions.validation)} rows each."]


def test_rounds_that_the_rows_do_not_reach_for_are_said(own_home: Path, tmp_path: Path) -> None:
    space = begun(tmp_path, rounds=5)
    with planted(space, own_home, str) as edge:
        notes = prompt_search.search(space, edge, unseen).notes
    assert notes[0] == "80 rows are enough for 3 of 5 rounds."
    assert "8 prompts were tried in 3 rounds, the better ones going on: 8 on 20, 4 on 40, 2 on 80 rows." in notes


def test_decoding_that_differs_between_prompts_is_said(own_home: Path, tmp_path: Path) -> None:
    space = begun(tmp_path, grid={"of": ["good"], "temperature": [0.7]})
    with planted(space, own_home, str) as edge:
        notes = prompt_search.search(space, edge, unseen).notes
    assert [note for note in notes if "temperature is 0 for 8, 0.7 for 1" in note]


def test_an_unknown_name_in_the_grid_names_the_files(own_home: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nobody.*There are: bad, best, described"):
        begun(tmp_path, grid={"of": ["nobody"]})
