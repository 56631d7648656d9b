"""What a deployed tune costs by the hour is up as long as it is needed, and no longer."""

from dataclasses import dataclass, replace

import pytest

from data_contracts.candidate import Candidate
from data_contracts.money import FineTuned, Submission
from tasks.ledger import Ledger
from tasks.ledger.rows import IntentState
from tasks.providers.protocol import Serving
from tasks.register.mlflow_registry import Incumbent
from tasks.run_folder import RunFolder
from tasks.steps import conclusion, contest, money
from tasks.workspace import Edge, FoundChampion, Workspace
from tests.fake_clock import FakeClock
from tests.finetune.scripted_provider import ScriptedProvider
from tests.stepwise import forget

FORMER = "ft:former"


class Deploying(ScriptedProvider):
    """A provider that deploys; it notes what it was asked to take down."""

    capabilities = replace(ScriptedProvider.capabilities, deploys=True)

    def __init__(self) -> None:
        super().__init__(FakeClock())
        self.down: list[str] = []

    def withdraw(self, model: str) -> None:
        self.down.append(model)


@dataclass
class Aliases:
    """Who stands behind the two aliases."""

    crowned: Candidate | None
    marked: Candidate | None = None

    def champion(self) -> Incumbent | None:
        return Incumbent(self.crowned, 1) if self.crowned else None

    def challenger(self) -> Incumbent | None:
        return Incumbent(self.marked, 2) if self.marked else None


@pytest.fixture
def provider() -> Deploying:
    return Deploying()


def tune(space: Workspace) -> Candidate:
    return contest.candidates(space, None)[1]


def former(space: Workspace) -> Candidate:
    """A deployed tune of an earlier trial, champion when this one began."""
    found = tune(space).model_copy(update={"model": "its-deployment", "tuned_model": FORMER})
    space.folder.write_json("champion.json", {"champion": found.model_dump(), "version": 1})
    return found


def test_after_a_promotion_the_dethroned_tune_goes_and_the_new_champion_stays(copy: Workspace, provider) -> None:
    former(copy)
    conclusion.withdraw_loser(copy, Edge(provider, Ledger()), Aliases(tune(copy), tune(copy)))
    assert provider.down == [FORMER]


def test_an_adopted_tune_that_was_dethroned_stays_where_others_deployed_it(copy: Workspace, provider) -> None:
    adopted = former(copy).model_copy(update={"training_data": "unknown"})
    copy.keep_champion(FoundChampion(adopted, 1))
    conclusion.withdraw_loser(copy, Edge(provider, Ledger()), Aliases(tune(copy), tune(copy)))
    assert provider.down == []


def test_a_dethroned_tune_is_taken_down_at_the_endpoint_where_it_answers(copy: Workspace, provider) -> None:
    here, elsewhere = Deploying(), provider
    copy.keep_champion(FoundChampion(former(copy).model_copy(update={"endpoint": "of_champion"}), 1))
    edge = Edge(here, Ledger(), {"of_champion": elsewhere})
    conclusion.withdraw_loser(copy, edge, Aliases(tune(copy), tune(copy)))
    assert (here.down, elsewhere.down) == ([], [FORMER])


def test_a_dethroned_tune_that_an_alias_leads_to_stays(copy: Workspace, provider) -> None:
    conclusion.withdraw_loser(copy, Edge(provider, Ledger()), Aliases(tune(copy), former(copy)))
    assert provider.down == []


def test_a_tune_that_lost_goes_although_it_is_challenger(copy: Workspace, provider) -> None:
    conclusion.withdraw_loser(copy, Edge(provider, Ledger()), Aliases(former(copy), tune(copy)))
    assert provider.down == [tune(copy).tuned_model]


def test_a_tune_that_another_run_is_at_work_with_stays(copy: Workspace, provider) -> None:
    ledger = Ledger()
    other = working_on(copy, ledger, "20990101-000000-small-0000")
    registry = Aliases(former(copy))
    conclusion.withdraw_loser(copy, Edge(provider, ledger), registry)
    assert provider.down == []
    other.release()
    conclusion.withdraw_loser(copy, Edge(provider, ledger), registry)
    assert provider.down == [tune(copy).tuned_model]


def working_on(space: Workspace, ledger: Ledger, run: str) -> RunFolder:
    """Another run in progress that is attached to the same purchase."""
    folder = RunFolder(space.folder.path.parent / run)
    folder.write_json("submission.json", space.folder.read_json("submission.json", Submission))
    folder.claim()
    ledger.record_run(run, "small", "started", {})
    return folder


def test_a_resumed_run_deploys_its_tune_again_until_it_has_every_answer(copy: Workspace, provider) -> None:
    edge, clock = Edge(provider, Ledger()), provider.clock
    provider.deployment = Serving("ready", "deployed-anew")
    money.wait(copy, edge, clock, lambda event: None)
    assert provider.calls["serve"] == 0
    forget(copy, "answers.parquet")
    assert money.wait(copy, edge, clock, lambda event: None).asked_as == "deployed-anew"
    assert copy.folder.read_json("tuned.json", FineTuned).asked_as == "deployed-anew"
    assert copy.folder.has("hosting.json") and provider.calls["serve"] == 1


def test_the_purchase_of_a_finished_trial_names_its_model(copy: Workspace) -> None:
    (intent,) = Ledger().intents()
    assert (intent.state, intent.model) == (IntentState.ENDED, tune(copy).tuned_model)
