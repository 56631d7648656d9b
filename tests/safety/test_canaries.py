"""Keys and row texts, planted where they come from, turn up nowhere: after success, after every failure."""

import json
import pickle
import re
import traceback
from pathlib import Path
from typing import Any

import pytest

from data_contracts.provider import ProviderSettings
from tasks.errors import TunegateError
from tasks.providers.openai_wire import OpenAIWire
from tests.chaos.egress import addresses
from tests.chaos.full import CommandPlace, mlflow_server
from tests.chaos.outcome import runs
from tests.chaos.person import Attempt, see_through
from tests.chaos.place import Place, make_place
from tests.chaos.processes import Forks
from tests.chaos.use_case import chaos_use_case
from tests.embedded import embedded_server
from tests.fake_clock import FakeClock
from tests.prefect_server import prefect_server
from tests.safety.canaries import KEY, KEYS, PHRASES, PRIVATE, RAW, TEXTS, contents, forms, hits, plant_rows
from tests.safety.order import ORDER
from tests.safety.sockets import LOOPBACK, listening

ECHO = f"Incorrect API key provided: {KEY}. Authorization: Bearer {KEY}"
PRICES = {"local-base-small": {"input": 1, "output": 1, "training": 1, "tuned_input": 1, "tuned_output": 1}}
REFUSAL = {"kind": "status", "status": 400, "code": "invalid_value", "message": ECHO}
FAILURES: dict[str, list[dict[str, Any]]] = {
    "a key that is refused and echoed": [{"call": "files.create", "happens": {**REFUSAL, "status": 401}}],
    "an upload that is refused": [{"call": "files.create", "happens": REFUSAL}],
    "a job that is refused": [{"call": "jobs.create", "happens": REFUSAL}],
    "a page in place of a job": [{"call": "jobs.create", "happens": {"kind": "replace", "body": f"<html>{ECHO}"}}],
    "a job that fails": [
        {"call": "jobs.create", "happens": {"kind": "job", "ends": "failed", "error": {"message": ECHO}}}
    ],
    "an answer that is refused": [{"call": "chat.create", "after": 20, "happens": {**REFUSAL, "status": 401}}],
}
SURVIVED = "a page in place of a job"
SHORT = "a key that is refused and echoed"  # the others are slow together
PICKLED = re.compile(rb"\A\x80[\x02-\x05]")


def planted(folder: Path) -> Path:
    """A use case whose rows hold canaries; the text policy lets no row text out of the run folder."""
    path = chaos_use_case(
        folder,
        curation={"privacy": {"default": "quarantine"}, "max_quarantined": 0.5},
        text_policy={"few_shot_in_registry": False, "excerpts_in_report": False},
        provider={"name": "openai", "api_key_env": "CANARY_PROVIDER_KEY", "base_url": "", "prices": PRICES},
        fine_tune={"base_model": "local-base-small-2026-06-01", "settle_s": 0},
        prompts={"folder": "prompts", "base_models": ["local-base-small-2026-06-01"], "search_rows": 20},
    )
    plant_rows(path.with_name("rows.jsonl"))
    return path


def guarded(forks: Forks, folder: Path, faults: list[dict[str, Any]]) -> Place:
    """A place whose rows hold canaries, and whose provider asks for a key that is one."""
    use_case = planted(folder.with_name("case"))
    place = make_place(forks, folder, use_case, faults, {"api_key_env": "CANARY_PROVIDER_KEY"}, KEYS)
    whole = json.loads(use_case.read_text())
    whole["provider"]["base_url"] = place.provider.url
    use_case.write_text(json.dumps(whole))
    place.environment.update(KEYS)
    return place


def leaks(place: Place) -> list[str]:
    """Canaries in whatever a trial leaves behind and has said."""
    found = []
    for path, content in contents(place.folder):
        provider = path.is_relative_to(place.provider.state)  # it was sent the rows and the key
        rows = path.parent.parent == place.home / "runs" and path.suffix in RAW
        raw = rows or path.name.startswith("ledger.db")  # the user's own rows, and what models answered to them
        wanted = [] if provider else [*KEYS.values(), *({} if raw else TEXTS).values()]
        found += [f"{path.relative_to(place.folder)}: {hit}" for hit in hits(content, wanted)]
    return found


@pytest.fixture(scope="module")
def finished(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A trial that came to its verdict."""
    place = guarded(forks, tmp_path_factory.mktemp("finished") / "place", [])
    course = see_through(place, [Attempt({"connects": str(place.folder / "connects.txt")})])
    assert course.exits == [0], course.said
    return place


def test_no_canary_is_found_after_success(finished: Place) -> None:
    assert leaks(finished) == []


def test_the_rows_did_hold_the_canaries_and_reached_the_provider(finished: Place) -> None:
    folder = finished.home / "runs" / runs(finished)[-1].run
    assert hits((folder / "quarantine.jsonl").read_bytes(), PRIVATE.values())
    trained = (folder / "training.jsonl").read_bytes()
    assert hits(trained, PHRASES) and not hits(trained, PRIVATE.values())
    uploads = finished.provider.log("files.create")
    assert [line["accepted"] for line in uploads] == [True, True]
    left = [path.read_bytes() for path in (finished.provider.state / "files").iterdir() if path.is_file()]
    assert trained not in left, "what was uploaded is deleted once the job has ended"


def test_nothing_that_a_trial_keeps_is_pickled(finished: Place) -> None:
    for folder in (finished.home / "mlartifacts", finished.home / "runs"):
        kept = list(contents(folder))
        assert kept
        assert not [path for path, content in kept if path.suffix in (".pkl", ".pickle") or PICKLED.match(content)]


def test_the_champion_loads_where_pickle_is_forbidden(forks: Forks, finished: Place) -> None:
    environment = {**KEYS, "TUNEGATE_HOME": str(finished.home), "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    loads = forks.start("load", [str(finished.home)], finished.folder, environment=environment)
    assert loads.wait(120) == 0, (finished.folder / "load.err").read_text()


def test_a_whole_trial_connects_to_nothing_but_this_machine(finished: Place) -> None:
    found = addresses(finished.folder / "connects.txt")
    assert found
    assert not [address for address in found if not address.startswith(LOOPBACK)]


def test_the_provider_listens_on_this_machine_only(finished: Place) -> None:
    assert listening(finished.provider.pid) == {"127.0.0.1"}


@pytest.mark.parametrize(
    "failure", [pytest.param(name, marks=[] if name == SHORT else pytest.mark.slow) for name in FAILURES]
)
def test_no_canary_is_found_after(failure: str, forks: Forks, tmp_path: Path) -> None:
    place = guarded(forks, tmp_path / "place", FAILURES[failure])
    course = see_through(place, [Attempt()])
    assert (course.exits[0] == 0) == (failure == SURVIVED), course.said
    assert [path for path in place.folder.glob("tunegate-*") if path.read_bytes()], "who is silent leaks nothing"
    assert leaks(place) == []


def test_no_error_of_a_provider_carries_a_key_however_it_is_shown_or_pickled(tmp_path: Path) -> None:
    statuses = [{**REFUSAL, "status": status} for status in (400, 401, 403, 404, 409, 429, 500)]
    pages = [{"kind": "replace", "body": ECHO}, {"kind": "reset"}, {"kind": "truncate"}]
    rules = [{"call": "jobs.create", "after": number, "happens": one} for number, one in enumerate(statuses + pages)]
    with embedded_server(tmp_path / "provider", faults=rules) as server:
        provider = OpenAIWire(ProviderSettings(name="openai"), server.url, KEY, FakeClock())
        for _ in rules:
            with pytest.raises(TunegateError) as caught:
                provider.create_job(ORDER)
            shown = "".join(traceback.format_exception(caught.value)).encode() + pickle.dumps(caught.value)
            assert hits(shown, [KEY]) == []


@pytest.mark.slow
@pytest.mark.parametrize("failure", ["success", SHORT, "a job that fails"])
def test_no_canary_reaches_prefects_or_mlflows_server(failure: str, forks: Forks, tmp_path: Path) -> None:
    made = guarded(forks, tmp_path / "place", FAILURES.get(failure, []))
    servers = made.folder / "servers"
    with prefect_server(servers / "prefect") as api, mlflow_server(servers / "mlflow" / "mlflow.db") as tracking_uri:
        place = CommandPlace(forks, made.folder, made.use_case, made.provider, made.environment)
        place.environment |= {"PREFECT_API_URL": api, "MLFLOW_TRACKING_URI": tracking_uri}
        place.environment |= {"PREFECT_HOME": str(made.folder / "prefect")}
        course = see_through(place, [Attempt()])
        assert (course.exits[0] == 0) == (failure == "success"), course.said
    assert (servers / "prefect" / "prefect.db").exists()
    assert leaks(place) == []


@pytest.mark.parametrize("form", forms(KEY))
def test_the_search_finds_a_canary_in_each_of_its_forms(form: str) -> None:
    text = forms(KEY)[form]
    assert hits(b"before " + text + b" after", [KEY])
    assert hits(b"before " + text[:9] + b"\n" + text[9:], [KEY])
