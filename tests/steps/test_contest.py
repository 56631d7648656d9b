"""Who may answer, in which order things happen, and what it costs."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data_contracts.candidate import Candidate, Prompt
from data_contracts.contest import PromptSearch
from data_contracts.money import FineTuned
from tasks import workspace
from tasks.evaluate.questions import build
from tasks.ledger import Ledger
from tasks.providers.embedded import Embedded
from tasks.providers.protocol import AnswerEndpoint, Serving
from tasks.steps import contest, data, judgement, prompt_search
from tasks.workspace import Edge, Workspace
from tests.dying_disk import KilledError, dying_after
from tests.stepwise import Finished, begin, edge_of, forget, take_data_steps, unseen

Asked = Callable[[], Any]
TUNE = "ft:local-base-small:embedded::another"
ROLES = ("champion", "best-prompt")


def named(field: Sequence[Candidate]) -> list[str]:
    return [candidate.name for candidate in field]


def best_of(space: Workspace) -> Candidate:
    return contest.candidates(space, None)[0]


# ---------------------------------------------------------------- who may answer


def test_the_best_prompt_and_the_tune_with_both_prompts_compete(finished: Finished) -> None:
    field = contest.candidates(finished.space, None)
    assert named(field) == ["best-prompt", "tune-minimal", "tune-full"]
    tuned = finished.space.folder.read_json("tuned.json", FineTuned)
    assert [candidate.model for candidate in field[1:]] == [tuned.model, tuned.model]
    assert [candidate.prompt.name for candidate in field] == ["shown", "minimal", "shown"]


def test_the_champion_comes_first_whatever_it_was_called_when_it_won(finished: Finished) -> None:
    champion = Candidate(
        name="tune-minimal", kind="tune", model=TUNE, base_model="local-base-small", prompt=Prompt(name="old")
    )
    field = contest.candidates(finished.space, champion)
    assert named(field) == ["champion", "best-prompt", "tune-minimal", "tune-full"]
    assert field[0].model == TUNE


@pytest.mark.parametrize("who", ["best-prompt", "tune-minimal", "tune-full"])
def test_a_champion_that_is_also_a_challenger_answers_once(finished: Finished, who: str) -> None:
    champion = next(one for one in contest.candidates(finished.space, None) if one.name == who)
    field = contest.candidates(finished.space, champion)
    assert field[0].digest == champion.digest
    assert named(field)[0] == "champion"
    assert sorted(named(field)) == sorted({"champion", "best-prompt", "tune-minimal", "tune-full"} - {who})


def test_where_the_minimal_prompt_is_the_best_the_tune_answers_once(copy: Workspace) -> None:
    search = copy.folder.read_json("prompt_search.json", PromptSearch)
    minimal_first = sorted(search.tried, key=lambda tried: tried.candidate.prompt.name != "minimal")
    copy.folder.write_json("prompt_search.json", search.model_copy(update={"tried": minimal_first}))
    assert named(contest.candidates(copy, None)) == ["best-prompt", "tune-minimal"]


def test_a_prompt_under_another_name_is_the_same_contestant(finished: Finished) -> None:
    best = best_of(finished.space)
    renamed = best.prompt.model_copy(update={"name": "renamed", "description": "says the same"})
    champion = best.model_copy(update={"prompt": renamed})
    assert named(contest.candidates(finished.space, champion)) == ["champion", "tune-minimal", "tune-full"]


@pytest.mark.parametrize(
    "change",
    [{"role": "Somebody else"}, {"rules": ["Be brief."]}, {"structured": True}, {"decoding": {"temperature": 1.0}}],
    ids=lambda change: next(iter(change)),
)
def test_a_prompt_that_says_or_asks_something_else_is_another_contestant(
    finished: Finished, change: dict[str, Any]
) -> None:
    best = best_of(finished.space)
    changed = Prompt.model_validate(best.prompt.model_dump() | change)
    champion = best.model_copy(update={"prompt": changed})
    assert named(contest.candidates(finished.space, champion))[:2] == ["champion", "best-prompt"]


def test_the_same_prompt_with_other_examples_is_another_contestant(finished: Finished) -> None:
    best = best_of(finished.space)
    assert best.examples == finished.space.examples
    champion = best.model_copy(update={"examples": "of another train"})
    assert named(contest.candidates(finished.space, champion))[:2] == ["champion", "best-prompt"]


def test_a_champion_answers_with_the_examples_it_won_with(copy: Workspace) -> None:
    own = copy.folder.read_frame("examples.parquet").head(20)
    own["messages"] = [json.dumps([{"role": "user", "content": f"only the champion saw {row}"}]) for row in own["id"]]
    copy.folder.write_frame("champion_examples.parquet", own)
    champion = best_of(copy).model_copy(update={"name": "champion", "examples": "of another train"})
    panel = prompt_search.search_panel(copy, edge_of(copy))
    sent = build(replace(panel, candidates=[champion, best_of(copy)]))
    told = {name: [b"only the champion saw" in one.body for one in sent if one.candidate == name] for name in ROLES}
    assert all(told["champion"])
    assert not any(told["best-prompt"])


def test_a_champion_whose_model_is_gone_leaves_the_field_to_the_best_prompt(
    copy: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    champion = best_of(copy).model_copy(update={"model": TUNE})
    verdict, comparison = rejudged(copy, champion)
    assert (comparison.reference, verdict.first_champion) == ("best-prompt", True)
    assert f"The champion's model {TUNE} no longer exists at the provider" in caplog.text


class Deploying(Embedded):
    """A provider that deploys the tune that it holds, under the tune's own name."""

    held = ""

    def has_model(self, model: str) -> bool:
        return model == self.held

    def serve(self, model: str) -> Serving:
        return Serving("ready", model)


@pytest.mark.parametrize(("held", "reference"), [(True, "champion"), (False, "best-prompt")])
def test_a_deployed_champion_competes_as_long_as_the_provider_holds_its_tune(
    copy: Workspace, own_home: Path, held: bool, reference: str
) -> None:
    tune = next(one for one in contest.candidates(copy, None) if one.kind == "tune")
    prompt = tune.prompt.model_copy(update={"role": "The champion of before"})
    champion = tune.model_copy(update={"model": "unlisted-deployment", "prompt": prompt})
    provider = Deploying(copy.case.use_case.provider, own_home / "provider")
    provider.capabilities = replace(provider.capabilities, deploys=True)
    provider.held = champion.tuned_model if held else ""
    forget(copy, "candidates.json", "answers.parquet", "comparison.json", "verdict.json")
    field = contest.evaluate(copy, Edge(provider, Ledger()), champion, unseen)
    assert judgement.judge(copy).comparison.reference == reference
    assert all(one.model != "unlisted-deployment" for one in field), "it answers as what it was deployed as this time"


# ---------------------------------------------------------------- the test set


class Watched(Embedded):
    """A provider that notes which openings were on record when it was first asked where answers come from."""

    openings: Sequence[str] = ()

    def answer_endpoint(self) -> AnswerEndpoint:
        self.openings = [opening.run for opening in Ledger().openings("small")]
        return super().answer_endpoint()


def test_the_opening_of_the_test_set_is_on_record_before_the_first_answer(sealed: Workspace, own_home: Path) -> None:
    provider = Watched(sealed.case.use_case.provider, own_home / "provider")
    edge = Edge(provider, Ledger())
    prompt_search.search(sealed, edge, unseen)
    assert provider.openings == []
    contest.evaluate(sealed, edge, None, unseen)
    assert provider.openings == [sealed.folder.run]
    opening = Ledger().openings("small")[0]
    assert opening.candidates == ("best-prompt",)
    assert opening.test_sha256 == data.counts(sealed).test.sha256


def evaluated(space: Workspace) -> Workspace:
    edge = edge_of(space)
    data.seal(space, edge.ledger)
    prompt_search.search(space, edge, unseen)
    contest.evaluate(space, edge, None, unseen)
    return space


def test_an_identical_second_run_opens_nothing_and_counts_as_no_verdict(sealed: Workspace) -> None:
    evaluated(sealed)
    path = sealed.case.folder / "small.yaml"
    second = evaluated(take_data_steps(begin(path, train=False)))
    assert second.folder.read_frame("answers.parquet")["stored"].all()
    assert [opening.run for opening in Ledger().openings("small")] == [sealed.folder.run]
    assert data.sealed(take_data_steps(begin(path, train=False))).verdicts == 1


def test_another_prompt_on_the_same_test_set_opens_it_again(sealed: Workspace) -> None:
    evaluated(sealed)
    prompts = sealed.case.folder / "prompts"
    for prompt in prompts.iterdir():
        prompt.write_text(prompt.read_text().replace("opic", "ubject"))
    second = evaluated(take_data_steps(begin(sealed.case.folder / "small.yaml", train=False)))
    assert [opening.run for opening in Ledger().openings("small")] == [sealed.folder.run, second.folder.run]


def test_every_candidate_answers_every_test_row_and_each_answer_has_a_score(finished: Finished) -> None:
    answers = finished.space.folder.read_frame("answers.parquet")
    tested = sorted(finished.space.partitions.test["id"])
    for _, side in answers.groupby("candidate"):
        assert sorted(side["case"]) == tested
    assert answers["score"].between(0, 1).all()
    expected = dict(zip(finished.space.partitions.test["id"], finished.space.partitions.test["output"], strict=True))
    assert answers["case"].map(expected).equals(answers["expected"])


def test_a_kill_between_answers_and_candidates_costs_no_second_answer(copy: Workspace, asked: Asked) -> None:
    before = copy.folder.read_frame("answers.parquet")
    forget(copy, "candidates.json", "comparison.json", "verdict.json")
    again = workspace.reopen(copy.folder.run)
    with asked() as calls:
        field = contest.evaluate(again, edge_of(again), None, unseen)
        verdict = judgement.judge(again).verdict
    assert "chat.create" not in {call["call"] for call in calls}
    assert named(field) == ["best-prompt", "tune-minimal", "tune-full"]
    after = again.folder.read_frame("answers.parquet")
    pd.testing.assert_frame_equal(after.drop(columns="stored"), before.drop(columns="stored"))
    assert verdict.decision == "promote"
    assert len(Ledger().openings("small")) == 1


@pytest.mark.parametrize("files", range(8))
def test_a_verdict_interrupted_at_any_file_comes_out_the_same(copy: Workspace, finished: Finished, files: int) -> None:
    forget(copy, "comparison.json", "failures.json", "recommendation.json", "verdict.json")
    interrupted = workspace.reopen(copy.folder.run)
    with dying_after(files), pytest.raises(KilledError):
        judgement.judge(interrupted)
    judgement.judge(workspace.reopen(copy.folder.run))
    for name in ("comparison.json", "failures.json", "recommendation.json", "verdict.json"):
        assert copy.folder.manifest()[name] == finished.space.folder.manifest()[name]


# ---------------------------------------------------------------- money


def test_what_was_spent_is_the_providers_own_tokens_times_its_prices(sealed: Workspace, asked: Asked) -> None:
    edge = edge_of(sealed)
    with asked() as calls:
        prompt_search.search(sealed, edge, unseen)
        contest.evaluate(sealed, edge, None, unseen)
    price = edge.provider.price("local-base-small", tuned=False)
    answered = [call for call in calls if call["call"] == "chat.create" and call["status"] == 200]
    cost = sum(call["prompt_tokens"] * price.input + call["completion_tokens"] * price.output for call in answered)
    assert edge.ledger.spent_in_run(sealed.folder.run) == pytest.approx(cost / 1e6)
    assert cost > 0


def test_a_tune_is_priced_as_a_tune(finished: Finished) -> None:
    full, prompt = (
        next(item for item in finished.record.comparison.candidates if item.candidate.name == name)
        for name in ("tune-full", "best-prompt")
    )
    assert full.prompt_tokens == prompt.prompt_tokens
    assert full.cost_per_request > prompt.cost_per_request


# ---------------------------------------------------------------- the verdict


def rejudged(space: Workspace, champion: Candidate) -> Any:
    """The trial as it would have gone with that champion."""
    forget(space, "candidates.json", "answers.parquet", "comparison.json", "verdict.json")
    again = workspace.reopen(space.folder.run)
    contest.evaluate(again, edge_of(again), champion, unseen)
    found = judgement.judge(again)
    return found.verdict, found.comparison


def test_a_champion_that_is_the_best_prompt_is_the_only_rival_of_the_tune(copy: Workspace) -> None:
    verdict, comparison = rejudged(copy, best_of(copy))
    assert [(test.candidate, test.reference) for test in comparison.tests] == [
        ("tune-minimal", "champion"),
        ("tune-full", "champion"),
    ]
    assert (verdict.reference, verdict.decision, verdict.winner.name) == ("champion", "promote", "tune-minimal")
    assert not verdict.first_champion
    assert "beats champion" in {rule.name for rule in verdict.rules}
    assert verdict.payback is not None


def test_a_champion_that_is_the_tune_stays_and_its_rivals_are_the_other_two(copy: Workspace) -> None:
    tune = contest.candidates(copy, None)[1]
    verdict, comparison = rejudged(copy, tune)
    assert verdict.decision != "promote"
    assert (verdict.winner.name, verdict.winner.model) == ("champion", tune.model)
    assert {(test.candidate, test.reference) for test in comparison.tests} == {
        ("best-prompt", "champion"),
        ("tune-full", "champion"),
        ("tune-full", "best-prompt"),
    }


def test_without_training_the_trial_has_no_tune_even_where_one_was_bought_before(copy: Workspace) -> None:
    space = take_data_steps(begin(copy.case.folder / "small.yaml", train=False))
    edge = edge_of(space)
    prompt_search.search(space, edge, unseen)
    contest.evaluate(space, edge, None, unseen)
    found = judgement.judge(space)
    verdict, comparison = found.verdict, found.comparison
    assert (verdict.decision, verdict.winner.name, verdict.challenger) == ("keep", "best-prompt", None)
    assert comparison.tests == []
    assert not space.folder.has("tuned.json")
