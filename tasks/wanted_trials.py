"""Trials that a watch, a monitor or another trial asks for, by an event that an automation answers.

An event may be lost, and what an automation does about it, where a server is killed. So what is asked for is written
down first, and asked for again until Prefect has a run of it.
"""

import datetime as dt
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.ledger import Ledger
from tasks.prefect_events import deliver

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

log = logging.getLogger("tunegate")
WANTED = "wanted trial"  # the last one of a use case, as the ledger calls it
AGAIN_S = 60.0  # after this, then after twice as long each time
GIVE_UP_S = 86_400.0  # whoever paused the automation for so long does not want it


def want(ledger: Ledger, about: str, key: str, payload: dict[str, Any]) -> None:
    """Ask for a trial of use case `about`, once a key. `payload` holds its name or path, TrialOptions, and why."""
    with ledger.lock(f"wanted {about}"):
        known = ledger.seen(about, WANTED) or {}
        if ledger.told(about, f"wanted {key}") or known.get("key") == key:
            return
        now = ledger.clock.now()
        ledger.see(about, WANTED, {"key": key, "at": now, "sent": now, "payload": payload, "open": True})
        ledger.tell_once(about, f"wanted {key}")
        _emit(about, payload)


def ask_again(client: "SyncPrefectClient", ledger: Ledger) -> list[str]:
    """Ask again for each trial of which Prefect has no run yet; their use cases."""
    return [about for about in ledger.seen_of_all(WANTED) if _again(client, ledger, about)]


def _again(client: "SyncPrefectClient", ledger: Ledger, about: str) -> bool:
    with ledger.lock(f"wanted {about}"):
        asked, now = ledger.seen(about, WANTED) or {}, ledger.clock.now()
        if not asked.get("open") or now - asked["sent"] < max(AGAIN_S, asked["sent"] - asked["at"]):
            return False
        if now - asked["at"] > GIVE_UP_S or _has_run(client, asked):
            ledger.see(about, WANTED, {**asked, "open": False})
            return False
        ledger.see(about, WANTED, {**asked, "sent": now})
        _emit(about, asked["payload"])
        return True


def _emit(about: str, payload: dict[str, Any]) -> None:
    try:
        deliver("trial.wanted", about, payload, answered_by=f"trial/{_deployment(payload)}")
    except Exception as error:  # whatever a server that is away makes Prefect's client raise
        log.warning("events     a trial of %s is asked for again later: %s", about, type(error).__name__)


def _deployment(payload: dict[str, Any]) -> str:
    """A use case may be asked for by the path of its file."""
    return Path(payload["use_case"]).stem


def _has_run(client: "SyncPrefectClient", asked: dict[str, Any]) -> bool:
    """Whether a run with these options was made since."""
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName, FlowFilter, FlowFilterName
    from prefect.client.schemas.sorting import FlowRunSort

    payload, since = asked["payload"], dt.datetime.fromtimestamp(asked["at"], dt.UTC) - dt.timedelta(minutes=1)
    made = client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=["trial"])),
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[_deployment(payload)])),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=50,
    )
    recent = [one for one in made if one.created and one.created >= since]
    return any(one.parameters.get("options") == payload["options"] for one in recent)
