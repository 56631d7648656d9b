"""The watch over a champion on the embedded provider, whose settings change under it."""

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from data_contracts.candidate import Candidate, Prompt
from data_contracts.lifetimes import Finding
from data_contracts.load import load
from tasks import workspace
from tasks.ledger import Ledger
from tasks.ledger.rows import Deletion
from tasks.register.mlflow_registry import Registry
from tasks.steps import conclusion, sightings
from tasks.steps.listings import Listings, Round
from tasks.steps.owned import Owned
from tasks.steps.watching import Looked, look
from tasks.watch.base_models import findings, today_of
from tests.embedded import RunningServer, embedded_server
from tests.fake_clock import FakeClock
from tests.small_use_case import small_use_case
from tests.stepwise import Finished

BASE, SUCCESSOR = "local-base-small-2026-06-01", "local-base-small-2027-01-10"
DAY_S = 86_400.0
NOW = time.time()


def day(offset: int) -> str:
    return (datetime.fromtimestamp(NOW, UTC).date() + timedelta(days=offset)).isoformat()


@pytest.fixture(scope="module")
def registered(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a trial whose tune is champion, to be copied."""
    home = tmp_path_factory.mktemp("registered") / "home"
    shutil.copytree(finished.space.folder.path.parents[1], home, ignore=shutil.ignore_patterns("*.lock"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEGATE_HOME", str(home))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        space = workspace.reopen(finished.space.folder.run)
        ref = finished.ref.model_copy(update={"folder": str(space.folder.path)})
        registry = Registry(ref.use_case)
        ref = ref.model_copy(update={"mlflow_run_id": registry.open_trial(ref.run, {})})
        record = replace(finished.record, folder=str(space.folder.path))
        conclusion.register(space, ref, record, registry)
    return home


@dataclass
class Place:
    """A home with a champion, a server of its own, and a clock."""

    home: Path
    server: RunningServer
    clock: FakeClock
    case: Path

    def look(self) -> Looked:
        """One pass."""
        return look(str(self.case), self.ledger, Listings())

    def findings(self) -> dict[str, Finding]:
        """Of one pass, by kind."""
        return {finding.kind: finding for finding in self.look().report.findings}

    def models(self, **models: dict[str, Any]) -> None:
        """What the provider has now, besides what it started with."""
        self.server.change_settings(models=models)

    @property
    def ledger(self) -> Ledger:
        return Ledger(clock=self.clock)

    def write(self, **watch: Any) -> None:
        """The use case with this `watch` section."""
        small_use_case(self.case.parent, watch={"canaries": 0} | watch)


@pytest.fixture(scope="module")
def state(shared_provider: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a provider that has the tune, to be copied or taken over by one server at a time."""
    left_out = shutil.ignore_patterns("requests.jsonl", "*.lock")
    copied = tmp_path_factory.mktemp("provider") / "state"
    return Path(shutil.copytree(shared_provider.state, copied, ignore=left_out))


@pytest.fixture(scope="module")
def server(state: Path) -> Iterator[RunningServer]:
    """One server for all that only change its settings."""
    with embedded_server(state) as running:
        yield running


@pytest.fixture
def place(server: RunningServer, registered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A home of this test's own at that server, which has nothing but what it started with."""
    server.change_settings()
    return at(server, registered, tmp_path, monkeypatch)


def at(server: RunningServer, registered: Path, folder: Path, patch: pytest.MonkeyPatch) -> Place:
    """A copy of the home, whose provider is that server."""
    home = Path(shutil.copytree(registered, folder / "home"))
    patch.setenv("TUNEGATE_HOME", str(home))
    patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{registered / 'mlflow.db'}")
    patch.setenv("TUNEGATE_PROVIDER_URL", server.url)
    place = Place(home, server, FakeClock(NOW), folder / "case" / "small.yaml")
    place.write()
    return place


def tell(looked: Looked, ledger: Ledger) -> list[str]:
    """Kinds that were new, which are told from now on."""
    told = zip(looked.keys, looked.report.findings, strict=True)
    return [finding.kind for key, finding in told if ledger.tell_once(finding.use_case, key) and finding.new]


# ---------------------------------------------------------------- what is found


def test_a_champion_under_which_nothing_changed_is_in_the_inventory_only(place: Place) -> None:
    report = place.look().report
    assert (report.findings, report.unreachable) == ([], [])
    [line] = report.inventory
    assert (line.role, line.base_model, line.days_left, line.replacement) == ("champion", BASE, None, "")


def test_a_shutdown_date_with_a_successor_wants_the_trials_that_answer_it(place: Place) -> None:
    place.look()
    place.models(**{BASE: {"shutdown_date": day(60)}, SUCCESSOR: {}})
    found = place.findings()
    leaving = found["retirement-announced"]
    assert (leaving.deadline, leaving.days_left, leaving.successors) == (day(60), 60, [SUCCESSOR])
    assert leaving.wanted is not None
    assert leaving.wanted["settings"] == {"prompts.base_models": [SUCCESSOR]}
    assert leaving.wanted["otherwise"]["fine_tune.base_model"] == SUCCESSOR
    assert set(found) == {"retirement-announced", "new-version"}


def test_the_inventory_says_how_long_a_tune_lives_and_what_replaces_it(place: Place) -> None:
    place.models(**{BASE: {"shutdown_date": day(60)}, SUCCESSOR: {}})
    [line] = place.look().report.inventory
    assert (line.shutdown_date, line.days_left, line.replacement) == (day(60), 60, SUCCESSOR)


def test_it_is_told_once_and_again_at_each_further_warning_day(place: Place) -> None:
    place.models(**{BASE: {"shutdown_date": day(200)}})
    told = []
    for passed in (0, 109, 111, 112, 171, 194, 199):
        place.clock.elapsed = passed * DAY_S
        told.append((200 - passed, tell(place.look(), place.ledger)))
    assert [left for left, kinds in told if kinds] == [200, 89, 29, 6, 1]


def test_a_far_last_day_is_told_and_starts_no_trial_before_the_first_warning_day(place: Place) -> None:
    place.models(**{BASE: {"shutdown_date": day(91)}, SUCCESSOR: {}})
    assert place.findings()["retirement-announced"].wanted is None
    place.clock.advance(DAY_S)
    assert place.findings()["retirement-announced"].wanted is not None


def test_a_champion_that_is_gone_is_retired_with_the_day_that_was_last_announced(place: Place) -> None:
    place.models(**{BASE: {"shutdown_date": day(1)}})
    place.look()
    place.models(**{BASE: {"shutdown_date": day(-1)}, SUCCESSOR: {}})
    place.clock.advance(2 * DAY_S)
    [(kind, retired)] = place.findings().items()
    assert (kind, retired.deadline, retired.days_left) == ("retired", day(1), -1)
    assert retired.wanted is not None


def test_a_new_version_is_told_without_any_last_day(place: Place) -> None:
    place.look()
    place.models(**{SUCCESSOR: {}})
    found = place.findings()
    assert list(found) == ["new-version"]
    assert found["new-version"].successors == [SUCCESSOR]


def test_a_base_that_can_be_tuned_no_more_is_told(place: Place) -> None:
    place.models(**{BASE: {"tunable": False}})
    closed = place.findings()["training-closed"]
    assert BASE in closed.says
    assert closed.wanted is None


def test_an_alias_that_leads_to_a_newer_model_is_told(place: Place) -> None:
    champion = Candidate(
        name="champion", kind="prompt", model="local-base-small", base_model="local-base-small", prompt=Prompt(name="p")
    )
    case = load(str(place.case)).use_case
    owned = Owned("champion", champion, case.provider, "", None)

    def seen() -> list[str]:
        watched = sightings.watch(owned, Round(case, place.ledger, Listings()))
        return [item.finding.says for item in findings(watched, today_of(NOW), [90])]

    assert seen() == []
    place.models(**{SUCCESSOR: {}})
    [says] = seen()
    assert says.startswith(f"local-base-small leads to {SUCCESSOR} at embedded; it led to {BASE}")


# ---------------------------------------------------------------- what would replace it


def test_where_nothing_takes_its_place_no_trial_is_wanted(place: Place) -> None:
    place.models(**{BASE: {"shutdown_date": day(60)}})
    leaving = place.findings()["retirement-announced"]
    assert leaving.wanted is None
    assert "watch.successors" in leaving.says


def test_a_successor_that_leaves_no_later_is_none(place: Place) -> None:
    place.models(**{BASE: {"shutdown_date": day(60)}, SUCCESSOR: {"shutdown_date": day(60)}})
    assert place.findings()["retirement-announced"].successors == []


def test_named_successors_go_before_the_family(place: Place) -> None:
    place.write(successors=["local-base-large"])
    place.models(**{BASE: {"shutdown_date": day(60)}, SUCCESSOR: {}})
    assert place.findings()["retirement-announced"].successors == ["local-base-large"]


def test_where_no_successor_can_be_tuned_the_sentence_points_to_another_provider(place: Place) -> None:
    leaving: dict[str, Any] = {"shutdown_date": day(60)}
    place.models(**{BASE: leaving, SUCCESSOR: {"tunable": False}})
    found = place.findings()["retirement-announced"]
    assert "`watch.tune_on`" in found.says
    assert found.wanted is not None
    assert "otherwise" not in found.wanted


def test_a_tune_is_bought_at_the_first_place_that_takes_jobs(place: Place) -> None:
    elsewhere = {"name": "openai", "base_url": place.server.url, "api_key_env": "OTHER_KEY"}
    tune_on = [{"model": "local-base-tiny"}, {"model": "local-base-large", "endpoint": "other"}]
    small_use_case(place.case.parent, watch={"canaries": 0, "tune_on": tune_on}, endpoints={"other": elsewhere})
    place.models(**{BASE: {"shutdown_date": day(60)}, SUCCESSOR: {}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTHER_KEY", "any")
        wanted = place.findings()["retirement-announced"].wanted
    assert wanted is not None
    second = load(str(place.case), wanted["otherwise"]).use_case
    assert (second.provider.base_url, second.fine_tune.base_model) == (place.server.url, "local-base-large")


def test_without_leave_findings_start_nothing(place: Place) -> None:
    place.write(start_trials=False)
    place.models(**{BASE: {"shutdown_date": day(60)}, SUCCESSOR: {}})
    assert place.findings()["retirement-announced"].wanted is None


# ---------------------------------------------------------------- canaries


@pytest.fixture
def faulty(
    registered: Path, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., AbstractContextManager[Place]]:
    """A place whose answers have these fields set, from an answer on; with four canaries."""

    @contextmanager
    def start(after: int, times: int | None, **fields: str) -> Iterator[Place]:
        happens = {"kind": "fields", "set": {name.replace("__", "."): value for name, value in fields.items()}}
        rule = {"call": "chat.create", "after": after, "times": times, "happens": happens}
        with embedded_server(Path(shutil.copytree(state, tmp_path / "provider")), faults=[rule]) as server:
            place = at(server, registered, tmp_path, monkeypatch)
            place.write(canaries=4)
            yield place

    return start


Faulty = Callable[..., AbstractContextManager[Place]]


def test_answers_that_moved_are_a_silent_change_told_and_kept_without_a_word_of_a_row(
    faulty: Faulty, finished: Finished
) -> None:
    with faulty(8, None, choices__0__message__content="neither") as place:
        assert [place.findings(), place.findings()] == [{}, {}], "the first, and one that is not confirmed yet"
        report = place.look().report
        with sqlite3.connect(place.home / "ledger.db") as ledger:
            kept = str(ledger.execute("select * from sightings").fetchall())
    assert "4 of 4 canary answers moved" in report.findings[0].says
    rows = finished.space.rows("validation")
    assert "champion" in kept
    assert not [text for text in {*rows["input"], *rows["id"]} if text in kept + report.model_dump_json()]


@pytest.mark.slow
def test_another_fingerprint_is_a_silent_change(faulty: Faulty) -> None:
    with faulty(8, None, system_fingerprint="fp_other") as place:
        assert place.findings() == {}
        assert "fp_other instead of fp_" in place.findings()["silent-change"].says


@pytest.mark.slow
def test_an_answer_that_varies_by_itself_is_none(faulty: Faulty) -> None:
    with faulty(4, 1, choices__0__message__content="neither") as place:
        assert [place.findings() for _ in range(3)] == [{}, {}, {}]


def test_canaries_are_fresh_paid_and_on_record(faulty: Faulty) -> None:
    with faulty(0, 1) as place:
        before = place.ledger.spent("small", 0)
        place.look()
        place.look()
        assert len(place.server.log("chat.create")) == 8 + 4, "twice at first, and never from the store"
        assert place.ledger.spent("small", 0) > before


@pytest.mark.slow
def test_canaries_that_the_budget_has_no_room_for_are_not_asked(faulty: Faulty) -> None:
    with faulty(0, 1) as place:
        small_use_case(place.case.parent, watch={"canaries": 4}, budget={"per_run": 50, "per_month": 0})
        report = place.look().report
        assert any("per_month" in problem for problem in report.unreachable)
        assert place.server.log("chat.create") == []
        assert len(report.inventory) == 1


def test_without_the_run_folder_no_canary_is_asked_and_that_is_said(place: Place) -> None:
    place.write(canaries=4)
    shutil.rmtree(place.home / "runs")
    report = place.look().report
    assert any("canaries were not asked" in problem and "is not here" in problem for problem in report.unreachable)
    assert len(report.inventory) == 1


# ---------------------------------------------------------------- what is away


@pytest.mark.slow
def test_a_provider_that_is_away_is_named_and_the_inventory_stays(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNEGATE_PROVIDER_URL", "http://127.0.0.1:9/v1")
    report = place.look().report
    assert report.findings == []
    assert [line.role for line in report.inventory] == ["champion"]
    assert any("embedded" in problem for problem in report.unreachable)


@pytest.fixture
def unregistered(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Without MLflow."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return place


def test_a_registry_that_is_away_is_named_and_what_was_bought_is_listed(unregistered: Place) -> None:
    report = unregistered.look().report
    assert [line.role for line in report.inventory] == ["succeeded"]
    assert any("champion and challenger" in problem for problem in report.unreachable)


def test_a_deleted_tune_is_owned_no_more(unregistered: Place) -> None:
    ledger = unregistered.ledger
    [intent] = ledger.intents("small")
    assert [line.model for line in unregistered.look().report.inventory] == [intent.model]
    ledger.record_deletion(Deletion(intent.key, "model", str(intent.model), NOW, proven=True))
    assert unregistered.look().report.inventory == []
