"""What a pass of the watch tells Prefect: each finding once, one trial at a time, nothing where nobody listens."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from data_contracts.lifetimes import Finding, OwnedModel, WatchReport
from data_contracts.load import load
from flows import watching
from flows.wanting import DAY_S
from tasks import wanted_trials
from tasks.ledger import Ledger
from tasks.steps.watching import Looked
from tests.fake_clock import FakeClock
from tests.flows.worker import at_prefect, await_that
from tests.small_use_case import small_use_case

EXAMPLE = Path(__file__).parents[2] / "data_contracts" / "schemas" / "examples" / "watch.json"
OPTIONS = {"train": False, "settings": {"prompts.base_models": ["m-2027-01-10"]}, "reason": "it retires"}
Events = Callable[[str], list[dict[str, Any]]]


def finding(use_case: str, kind: str = "retirement-announced", **more: Any) -> Finding:
    plain = {"use_case": use_case, "kind": kind, "model": "m-2026-01-01", "base_model": "m-2026-01-01", "says": "Why."}
    dated = {"deadline": "2027-01-14", "days_left": 53, "wanted": OPTIONS}
    return Finding.model_validate({**plain, **dated, **more})


def looked(*findings: Finding) -> Looked:
    report = WatchReport(checked_at=0, findings=list(findings), inventory=[])
    return Looked(report, tuple(f"{number} {one.kind}" for number, one in enumerate(findings)))


@pytest.fixture
def events(prefect_api: str) -> Events:
    """What was told of a use case, oldest first; an event of its own is told after it, to know that all of it came."""

    def read(use_case: str) -> list[dict[str, Any]]:
        from tasks.prefect_events import emit

        end = f"end-{uuid4()}"
        emit(end, use_case, {})
        about = {"resource": {"id": [f"tunegate.use-case.{use_case}"]}, "order": "ASC"}
        with at_prefect(prefect_api) as prefect:

            def all_of_them() -> list[dict[str, Any]] | None:
                answer = prefect.client.request("POST", "/events/filter", json={"filter": about}).json()["events"]
                return list(answer) if f"tunegate.{end}" in {one["event"] for one in answer} else None

            return [one for one in await_that(all_of_them) if not one["event"].startswith("tunegate.end-")]

    return read


def test_a_finding_is_an_event_with_its_deadline_and_a_trial_is_wanted(ledger: Ledger, events: Events) -> None:
    watching.tell("told", looked(finding("told")), ledger)
    found, wanted = events("told")
    assert found["event"] == "tunegate.base-model.retirement-announced"
    assert (found["payload"]["deadline"], found["payload"]["days_left"]) == ("2027-01-14", 53)
    assert wanted["event"] == "tunegate.trial.wanted"
    assert wanted["payload"] == {"use_case": "told", "options": OPTIONS, "why": "Why."}


def test_what_was_told_is_not_told_again(ledger: Ledger, clock: FakeClock, events: Events) -> None:
    for _ in range(3):
        watching.tell("once", looked(finding("once")), ledger)
        clock.advance(2 * DAY_S)
    assert len(events("once")) == 2


def test_findings_that_want_the_same_trial_want_it_once(ledger: Ledger, clock: FakeClock, events: Events) -> None:
    both = looked(finding("both"), finding("both", "new-version"))
    watching.tell("both", both, ledger)
    clock.advance(2 * DAY_S)
    watching.tell("both", both, ledger)
    told = [one["event"].removeprefix("tunegate.") for one in events("both")]
    assert sorted(told) == ["base-model.new-version", "base-model.retirement-announced", "trial.wanted"]


@pytest.mark.slow
def test_no_trial_is_wanted_while_one_is_under_way_and_it_is_afterwards(
    ledger: Ledger, clock: FakeClock, events: Events
) -> None:
    until = clock.now() + DAY_S
    ledger.record_run("a-run", "busy", "stopped", {"waits_for": "form", "until": until})
    watching.tell("busy", looked(finding("busy")), ledger)
    assert [one["event"] for one in events("busy")] == ["tunegate.base-model.retirement-announced"]
    ledger.record_run("a-run", "busy", "finished", {})
    watching.tell("busy", looked(finding("busy")), ledger)
    assert "tunegate.trial.wanted" in [one["event"] for one in events("busy")]


def test_what_is_new_is_one_message_to_whoever_wants_to_hear_of_it_and_a_deaf_one_stops_nothing(
    ledger: Ledger, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    case = str(small_use_case(tmp_path, approvals={"notify": ["team"]}))
    both = looked(finding("small"), finding("small", "new-version"))
    watching.tell(case, both, ledger)
    assert caplog.text.count("team was not told") == 1
    assert ledger.seen("small", wanted_trials.WANTED)
    for key in both.keys:
        ledger.tell_once("small", f"heard {key}")
    watching.tell(case, both, ledger)
    assert caplog.text.count("team was not told") == 1


def test_what_could_not_be_told_is_new_the_next_time(
    ledger: Ledger, prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise OSError("no way out")

    monkeypatch.setattr("prefect.events.emit_event", refuses)
    with pytest.raises(OSError, match="no way out"):
        watching.tell("untold", looked(finding("untold")), ledger)
    assert not ledger.told("untold", "0 retirement-announced")


def test_without_a_server_nothing_is_told_and_everything_stays_new(
    ledger: Ledger, prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    seen = {"silent": looked(finding("silent"))}
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        assert watching._tell_all(seen, ledger) == []
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        [problem] = watching._tell_all(seen, ledger)
    assert "no event was sent" in problem
    assert not ledger.told("silent", "0 retirement-announced")


def test_the_flow_looks_at_all_use_cases_and_leaves_a_page_and_a_table(
    home: Path, tmp_path: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.watch_base_models import watch

    (tmp_path / "deployments").mkdir()
    (tmp_path / "deployments" / "broken.yaml").write_text("name: broken\n")
    small_use_case(tmp_path / "small", name="of_a_path")
    (tmp_path / "deployments" / "of_a_path.yaml").symlink_to(tmp_path / "small" / "small.yaml")
    monkeypatch.chdir(tmp_path)
    report = WatchReport.model_validate(watch())
    assert any(problem.startswith("broken:") for problem in report.unreachable)
    with at_prefect(prefect_api) as prefect:
        artifacts = prefect.client.request("POST", "/artifacts/filter", json={}).json()
    page = next(one["data"] for one in artifacts if one["key"] == "base-models")
    assert "Nothing changed" in page
    assert "broken" in page


def test_the_terminal_shows_the_inventory_then_findings_by_urgency(capsys: pytest.CaptureFixture[str]) -> None:
    watching.show(json.loads(EXAMPLE.read_text()))
    shown = capsys.readouterr().out
    places = [shown.index(part) for part in ("Models in use", "retirement-announced", "new-version", "Not asked")]
    assert places == sorted(places)


def test_a_name_that_looks_like_markup_is_shown_as_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    line = OwnedModel(use_case="u", model="[red]m[/red]", base_model="b", provider="p", role="champion")
    watching.show(WatchReport(checked_at=0, findings=[], inventory=[line]).model_dump(mode="json"))
    assert "[red]m[/red]" in capsys.readouterr().out


def test_the_example_wants_a_trial_that_the_use_case_would_take() -> None:
    wanted = next(one["wanted"] for one in json.loads(EXAMPLE.read_text())["findings"] if one["wanted"])
    for settings in (wanted["settings"], wanted["otherwise"]):
        assert load("support_intents", settings).use_case.prompts.models
