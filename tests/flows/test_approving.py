"""A deployed run that costs more than the threshold waits, suspended, for a person's yes to this very cost."""

import getpass
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import AwaitingRetry, Crashed

from data_contracts.money import Estimate
from data_contracts.trial import TrialOptions
from flows.trial import trial
from tasks import workspace
from tasks.decide.readiness import estimate_sha256
from tasks.errors import ApprovalRequiredError
from tasks.ledger import Ledger
from tasks.providers.openai_wire import OpenAIWire
from tests.embedded import RunningServer, embedded_server
from tests.flows.suspended import Deployed
from tests.flows.worker import at_prefect, await_that, deployed, through_a_restart
from tests.small_use_case import small_use_case

ASKS = {"per_run": 50, "approval_above": 0}
ANOTHER_JOB = {"fine_tune.generation": 2}  # else everything is paid for once, and costs nothing
DEAR = 9.0  # USD, a provider's own quote
PAID = {"files.create", "jobs.create", "chat.create"}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("approving")
    with (
        embedded_server(folder / "server") as server,
        pytest.MonkeyPatch.context() as patch,
        at_prefect(prefect_api) as prefect,
    ):
        patch.setenv("TUNEGATE_HOME", str(folder / "home"))
        patch.setenv("TUNEGATE_PROVIDER_URL", server.url)
        yield Deployed(prefect, server, small_use_case(folder / "case", budget=ASKS))


@pytest.fixture(scope="module")
def waiting(here: Deployed) -> UUID:
    """A run that waits."""
    return here.start()


def paid_calls(server: RunningServer) -> list[str]:
    return [line["call"] for line in server.log() if line["call"] in PAID]


def test_it_suspends_before_anything_is_paid(here: Deployed, waiting: UUID) -> None:
    state = here.prefect.run(waiting).state
    assert state is not None
    assert state.name == "Suspended"
    assert paid_calls(here.provider) == []


def test_the_ledger_knows_what_it_waits_for_and_until_when(here: Deployed, waiting: UUID) -> None:
    row = here.row(waiting)
    assert (row.state, row.detail["waits_for"], row.detail["exit_code"]) == ("stopped", "form", 4)
    assert "waits for a yes to its cost in Prefect's UI until" in row.detail["message"]


def test_the_form_asks_for_a_decision_a_name_and_a_note_and_links_the_estimate(here: Deployed, waiting: UUID) -> None:
    asked = here.prefect.inputs(waiting)
    assert set(asked["schema"]["properties"]) == {"approve", "your_name", "note"}
    assert asked["schema"]["required"] == ["approve", "your_name"]
    assert "default" not in asked["schema"]["properties"]["approve"], "the form must not choose"
    assert "/artifacts/artifact/" in asked["description"]
    assert "**small** is about to spend **$0.1" in asked["description"]


@pytest.mark.parametrize("form", [{"approve": "perhaps", "your_name": "Ada"}, {"approve": "yes"}], ids=str)
def test_an_answer_that_is_none_leaves_it_waiting(here: Deployed, waiting: UUID, form: dict[str, str]) -> None:
    assert here.prefect.answer(waiting, **form)["status"] == "REJECT"
    state = here.prefect.run(waiting).state
    assert state is not None
    assert state.name == "Suspended"


@pytest.mark.parametrize("taken", [Crashed(), AwaitingRetry()], ids=["crashed", "about to be started again"])
def test_a_living_run_that_was_taken_for_dead_suspends_all_the_same(
    here: Deployed, monkeypatch: pytest.MonkeyPatch, taken: State[None]
) -> None:
    def while_it_lives() -> bool:
        context = FlowRunContext.get()
        assert context is not None
        assert context.flow_run is not None
        here.prefect.client.set_flow_run_state(context.flow_run.id, taken, force=True)
        return True

    monkeypatch.setattr("flows.approval.is_deployed", while_it_lives)
    flow_run = here.start()
    state = here.prefect.run(flow_run).state
    assert state is not None
    assert state.name == "Suspended"


def test_a_yes_to_what_is_no_longer_the_estimate_is_asked_for_again(here: Deployed, waiting: UUID) -> None:
    folder = here.space(waiting).folder
    estimate = folder.read_json("estimate.json", Estimate)
    dearer = estimate.model_copy(update={"total_cost": 9.0, "training_cost": 8.9})
    folder.write_json("estimate.json", dearer)
    here.say(waiting, approve="yes", note="to the old one")
    assert here.work(waiting).name == "Suspended"
    assert Ledger().approval(folder.run, "spending", estimate_sha256(dearer)) is None


def test_a_yes_goes_on_record_and_the_run_goes_on_in_its_own_folder(here: Deployed, waiting: UUID) -> None:
    here.say(waiting, approve="yes", note="worth it")
    assert here.work(waiting).name == "Completed"
    folder = here.space(waiting).folder
    assert here.row(waiting).state == "finished"
    approval = Ledger().approval(folder.run, "spending", estimate_sha256(folder.read_json("estimate.json", Estimate)))
    assert approval is not None
    assert (approval.approved_by, approval.note, approval.amount) == ("Ada", "worth it", 9.0)
    assert paid_calls(here.provider).count("jobs.create") == 1


def test_a_no_ends_it_with_the_exit_code_of_a_missing_approval_and_says_who_and_why(here: Deployed) -> None:
    flow_run = here.start(settings=ANOTHER_JOB)
    here.prefect.answer(flow_run, approve="no", your_name="Bob", note="too dear.")
    assert here.work(flow_run).name == "Failed"
    known = here.row(flow_run).detail
    assert known["exit_code"] == 4
    assert known["message"].startswith(f"Bob said no to the cost of run {here.row(flow_run).run} (too dear); nothing")


@pytest.mark.slow
def test_a_form_that_ran_out_of_time_is_asked_again_on_a_retry(here: Deployed) -> None:
    flow_run = here.start(settings=ANOTHER_JOB)
    run = here.row(flow_run).run
    assert here.ask_again(flow_run).name == "Suspended"
    assert here.row(flow_run).run == run
    here.say(flow_run, approve="yes")
    assert here.work(flow_run).name == "Completed"


@pytest.mark.slow
def test_a_tick_in_the_starting_form_is_a_yes_to_the_first_estimate(here: Deployed) -> None:
    flow_run = here.start(approve_spending=True, settings={"fine_tune.generation": 3})
    state = here.prefect.run(flow_run).state
    assert state is not None
    assert state.name == "Completed"


def test_a_no_to_the_providers_quote_counts_whatever_was_ticked_at_the_resumption(
    here: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, before = here.row(here.start(settings={"fine_tune.generation": 5})).run, paid_calls(here.provider)
    monkeypatch.setattr(OpenAIWire, "quote", lambda self, request: DEAR)
    flow_run = here.start(resume=run, approve_spending=True)
    assert here.row(flow_run).detail["waits_for"] == "form", "the tick was to the estimate"
    here.prefect.answer(flow_run, approve="no", your_name="Bob")
    assert here.work(flow_run).name == "Failed"
    assert here.row(flow_run).detail["message"].startswith(f"Bob said no to the cost of run {run}; nothing more")
    assert paid_calls(here.provider).count("jobs.create") == before.count("jobs.create")


def test_a_tick_that_the_estimate_did_not_need_is_none_to_a_dearer_quote(
    here: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenAIWire, "quote", lambda self, request: DEAR)
    flow_run = here.start(approve_spending=True, settings={"fine_tune.generation": 6, "budget.approval_above": 5})
    assert here.row(flow_run).detail["waits_for"] == "form"


def test_where_only_prefect_may_approve_the_command_line_says_how_to_do_it_there(here: Deployed) -> None:
    strict = {"fine_tune.generation": 7, "budget.command_line_may_approve": False}
    with pytest.raises(ApprovalRequiredError) as needed:
        trial(str(here.use_case), TrialOptions(settings=strict))
    assert f"`Resume a stopped run` set to {needed.value.run}" in str(needed.value)
    assert "--yes" not in str(needed.value)


@pytest.mark.slow
def test_the_command_line_takes_over_with_a_yes_of_its_own_and_the_form_is_void(here: Deployed) -> None:
    waiting = here.start(settings={"fine_tune.generation": 4})
    run = here.row(waiting).run
    with pytest.raises(ApprovalRequiredError):
        trial(str(here.use_case), TrialOptions(resume=run))
    state, row = here.prefect.run(waiting).state, Ledger().run(run)
    assert state is not None
    assert row is not None
    assert (state.name, row.detail["waits_for"], row.detail["exit_code"]) == ("Cancelled", "yes", 4)
    trial(str(here.use_case), TrialOptions(resume=run, approve_spending=True))
    estimate = workspace.reopen(run).folder.read_json("estimate.json", Estimate)
    approval = Ledger().approval(run, "spending", estimate_sha256(estimate))
    assert approval is not None
    assert (approval.approved_by, approval.note) == (getpass.getuser(), "--yes")


@pytest.mark.slow
def test_it_waits_through_a_restart_of_server_and_worker(
    tmp_path: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with embedded_server(tmp_path / "server") as server:
        monkeypatch.setenv("TUNEGATE_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("TUNEGATE_PROVIDER_URL", server.url)
        deployed(tmp_path, "dear", budget=ASKS)
        through_a_restart(tmp_path, "dear", approve="yes")
        [row] = await_that(Ledger().runs)
        assert row.state == "finished"
        assert len(server.log("jobs.create")) == 1
