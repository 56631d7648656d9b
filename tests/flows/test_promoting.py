"""A deployed run whose verdict is for another champion waits, suspended, for a person's yes to this very verdict."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from data_contracts.contest import Verdict
from data_contracts.trial import TrialOptions
from flows import moving
from flows.commands import status
from flows.housekeeping import sweep
from flows.trial import trial
from tasks import workspace
from tasks.ledger import Ledger
from tasks.register import promotion
from tasks.register.mlflow_registry import Registry
from tasks.steps import promoting
from tasks.steps.promoting import VerdictApprovalRequiredError
from tests.embedded import embedded_server
from tests.flows.listener import Listener, listening
from tests.flows.suspended import Deployed
from tests.flows.worker import at_prefect, await_that, deployed, through_a_restart
from tests.small_use_case import small_use_case

ASKS = {"promotion": "deployed", "notify": ["custom-webhook/promoting"]}


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    with listening() as server:
        yield server


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, prefect_api: str, listener: Listener) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("promoting")
    with (
        embedded_server(folder / "server") as server,
        pytest.MonkeyPatch.context() as patch,
        at_prefect(prefect_api) as prefect,
    ):
        listener.block("promoting")
        patch.setenv("TUNEGATE_HOME", str(folder / "home"))
        patch.setenv("TUNEGATE_PROVIDER_URL", server.url)
        yield Deployed(prefect, server, small_use_case(folder / "case", approvals=ASKS), "promoting")


@pytest.fixture(scope="module")
def waiting(here: Deployed) -> UUID:
    """A run that waits with its verdict."""
    return here.start()


def other(here: Deployed, name: str, **approvals: Any) -> Deployed:
    """Another use case, which has no champion yet."""
    folder = here.use_case.parents[1] / name
    path = small_use_case(folder, name=name, approvals={"promotion": "deployed", **approvals})
    return Deployed(here.prefect, here.provider, path, name)


def champion(use_case: str, alias: str = "champion") -> int | None:
    return promotion.aliased(Registry(use_case), alias)


def verdict_of(here: Deployed, flow_run: UUID) -> Verdict:
    return here.space(flow_run).folder.read_json("verdict.json", Verdict)


@pytest.mark.slow
def test_it_suspends_with_its_verdict_before_the_alias_moves(here: Deployed, waiting: UUID) -> None:
    state = here.prefect.run(waiting).state
    assert state is not None
    assert state.name == "Suspended"
    assert verdict_of(here, waiting).decision == "promote"
    assert champion("small") is None


@pytest.mark.slow
def test_the_ledger_knows_that_it_waits_for_a_yes_to_its_verdict(here: Deployed, waiting: UUID) -> None:
    known = here.row(waiting).detail
    assert (known["waits_for"], known["waits_about"], known["exit_code"]) == ("form", "verdict", 4)
    assert "It waits for a yes to its verdict in Prefect's UI until" in known["message"]
    [item] = [item for item in status()["runs"] if item["run"] == here.row(waiting).run]
    assert item["state"] == "waits for an approval in Prefect"
    assert item["go_on"] == [f"tunegate resume {item['run']} --yes"]


@pytest.mark.slow
def test_the_form_shows_reasons_and_figures_and_leads_to_report_and_artifact(here: Deployed, waiting: UUID) -> None:
    asked, space = here.prefect.inputs(waiting), here.space(waiting)
    assert asked["schema"]["required"] == ["promote", "your_name"]
    assert set(asked["schema"]["properties"]) == {"promote", "your_name", "note"}
    assert "default" not in asked["schema"]["properties"]["promote"], "the form must not choose"
    text = asked["description"]
    assert verdict_of(here, waiting).reasons[1] in text
    assert "| tune-minimal |" in text
    assert "/artifacts/artifact/" in text
    assert str(space.folder.file("report.html")) in text
    assert promoting.verdict_sha256(space)[:12] in text
    assert "After a no the best prompt becomes the first champion" in text


@pytest.mark.slow
def test_the_report_stands_in_mlflow_by_then(here: Deployed, waiting: UUID) -> None:
    registry = Registry("small")
    assert registry.store.has_artifact(here.row(waiting).detail["mlflow_run_id"], "report.html")


@pytest.mark.slow
def test_whoever_is_named_is_told_that_it_waits(here: Deployed, waiting: UUID, listener: Listener) -> None:
    said = listener.heard[0]
    assert said["title"] == "small waits for a yes to its verdict"
    assert here.row(waiting).run in said["text"]
    assert str(waiting) in said["text"], "the address of its form"


@pytest.mark.slow
@pytest.mark.parametrize("form", [{"promote": "perhaps", "your_name": "Ada"}, {"promote": "yes"}], ids=str)
def test_an_answer_that_is_none_leaves_it_waiting(here: Deployed, waiting: UUID, form: dict[str, str]) -> None:
    assert here.prefect.answer(waiting, **form)["status"] == "REJECT"


@pytest.mark.slow
def test_a_yes_to_what_is_no_longer_the_verdict_is_asked_for_again(here: Deployed, waiting: UUID) -> None:
    folder, verdict = here.space(waiting).folder, verdict_of(here, waiting)
    folder.write_json("verdict.json", verdict.model_copy(update={"reasons": [*verdict.reasons, "And one more."]}))
    here.say(waiting, promote="yes", note="to the old one")
    assert here.work(waiting).name == "Suspended"
    assert champion("small") is None
    assert "And one more." in here.prefect.inputs(waiting)["description"]


@pytest.mark.slow
def test_a_yes_moves_the_champion_and_goes_on_record(here: Deployed, waiting: UUID) -> None:
    here.say(waiting, promote="yes", note="worth it")
    assert here.work(waiting).name == "Completed"
    space, ledger = here.space(waiting), Ledger()
    assert champion("small") == 2
    sha256 = promoting.verdict_sha256(space)
    approval = ledger.approval(space.folder.run, "promotion", sha256)
    assert approval is not None
    assert (approval.approved_by, approval.how, approval.note) == ("Ada", "self-declared", "worth it")
    move = ledger.moves("small")[-1]
    assert (move.version, move.by, move.by_kind, move.sha256, move.run) == (
        2,
        "Ada",
        "self-declared",
        sha256,
        space.folder.run,
    )
    assert "worth it" in move.reason
    assert here.returned.declined == ""


@pytest.mark.slow
def test_whoever_is_named_is_told_of_the_verdict_and_of_the_new_champion(
    here: Deployed, waiting: UUID, listener: Listener
) -> None:
    titles = [said["title"] for said in listener.heard]
    assert titles[-3:] == [
        "small: promote, tune-minimal",
        "small: version 1 is champion",
        "small: version 2 is champion",
    ]


@pytest.mark.slow
def test_the_move_is_an_event(here: Deployed, waiting: UUID) -> None:
    wanted = {"filter": {"event": {"name": ["tunegate.champion.moved"]}}, "limit": 50}

    def found() -> list[Any]:
        events = here.prefect.client.request("POST", "/events/filter", json=wanted).json()["events"]
        return [one for one in events if one["payload"].get("run") == here.row(waiting).run]

    moved = await_that(lambda: found() if len(found()) == 2 else None)
    assert {(one["payload"]["action"], one["payload"]["version"]) for one in moved} == {("first", 1), ("promote", 2)}
    assert {one["resource"]["prefect.resource.id"] for one in moved} == {"tunegate.use-case.small"}


@pytest.mark.slow
def test_after_a_no_the_verdict_stands_and_the_best_prompt_is_the_first_champion(here: Deployed) -> None:
    declining = other(here, "declined")
    flow_run = declining.start()
    declining.say(flow_run, promote="no", your_name="Bob", note="hosting is too dear")
    assert declining.work(flow_run).name == "Completed"
    result = declining.returned
    assert (result.decision, result.declined) == ("promote", "Bob: hosting is too dear")
    assert [(one.action, one.version) for one in Ledger().moves("declined")] == [("first", 1)]
    assert (champion("declined"), champion("declined", "challenger")) == (1, 2)
    assert Registry("declined").told(2)["declined"] == "Bob: hosting is too dear"
    assert Ledger().approval(result.run, "promotion", promoting.verdict_sha256(declining.space(flow_run))) is None
    content = moving.promote(str(declining.use_case), None, "Ada", "we host it ourselves")
    assert content["warnings"] == ["A trial promoted version 2, and somebody declined it: Bob: hosting is too dear"]
    assert champion("declined") == 2


@pytest.mark.slow
def test_where_every_champion_needs_a_yes_a_no_leaves_none(here: Deployed) -> None:
    strict = other(here, "strict", promotion="always")
    flow_run = strict.start()
    assert "After a no there is still no champion" in strict.prefect.inputs(flow_run)["description"]
    strict.say(flow_run, promote="no")
    assert strict.work(flow_run).name == "Completed"
    assert (champion("strict"), champion("strict", "challenger")) == (None, 1)
    assert strict.returned.model_uri == "models:/tunegate.strict@challenger"


@pytest.mark.slow
def test_a_form_that_nobody_answered_leaves_the_champion_and_can_be_asked_again(here: Deployed) -> None:
    late = other(here, "late")
    flow_run = late.start()
    run = late.row(flow_run).run
    late.prefect.client.set_flow_run_state(flow_run, never_resumed(), force=True)
    assert sweep(late.prefect.client) == [run]
    known = late.row(flow_run).detail
    told = (
        f"Nobody answered to its verdict in time; the champion stays. To promote after all: tunegate resume {run} --yes"
    )
    assert (known["message"], known["waits_for"]) == (told, "yes")
    assert late.ask_again(flow_run).name == "Suspended"
    late.say(flow_run, promote="yes")
    assert late.work(flow_run).name == "Completed"
    assert champion("late") == 2


def never_resumed() -> Any:
    from prefect.states import Failed

    return Failed(message="The flow was paused and never resumed.")


@pytest.mark.slow
def test_the_command_line_takes_over_with_a_yes_of_its_own_and_the_form_is_void(here: Deployed) -> None:
    taken = other(here, "taken")
    waiting = taken.start()
    run = taken.row(waiting).run
    with pytest.raises(VerdictApprovalRequiredError):
        trial(str(taken.use_case), TrialOptions(resume=run))
    state, row = taken.prefect.run(waiting).state, Ledger().run(run)
    assert state is not None
    assert row is not None
    assert (state.name, row.detail["waits_for"], row.detail["exit_code"]) == ("Cancelled", "yes", 4)
    assert champion("taken") is None
    trial(str(taken.use_case), TrialOptions(resume=run, approve_promotion=True))
    assert champion("taken") == 2
    consent = promoting.given(workspace.reopen(run))
    assert consent is not None
    assert (consent.by_kind, consent.note) == ("command line", "--yes")


def test_a_run_that_has_no_verdict_yet_takes_no_yes_to_one() -> None:
    with pytest.raises(ValueError, match="approve_promotion goes with resume"):
        TrialOptions(approve_promotion=True)


@pytest.mark.slow
def test_it_waits_through_a_restart_of_server_and_worker(
    tmp_path: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with embedded_server(tmp_path / "server") as server:
        monkeypatch.setenv("TUNEGATE_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("TUNEGATE_PROVIDER_URL", server.url)
        deployed(tmp_path, "gated", approvals={"promotion": "deployed"})
        through_a_restart(tmp_path, "gated", promote="yes")
        assert champion("gated") == 2
        assert [move.by for move in Ledger().moves("gated")] == ["Ada", "Ada"]
