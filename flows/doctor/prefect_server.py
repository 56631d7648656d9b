"""Prefect's server: reachable, set up well, scheduling, and without a secret that others can read."""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flows.doctor.exposure import prefect_exposure
from flows.doctor.finding import Finding, broken, fine, note
from flows.doctor.operation import operation_findings
from flows.environment import PREFECT, address_shown, prepare, running
from tasks.providers.redact import redact

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import DeploymentResponse

SETTLED = timedelta(minutes=2)  # the scheduler looks at everything once a minute
RECORDER = "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE"
LEASES = "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"
REPLACE = "Remove it, set it in the environment of the process that runs the flow, and replace the key: it was readable"


def prefect_server() -> Iterator[Finding]:
    """The server that PREFECT_API_URL or `tunegate up` names, if any."""
    url = os.environ.get("PREFECT_API_URL") or running().get("prefect_api")
    if not url:
        fix = "Run `tunegate up` in another terminal for the UI, schedules and a faster start."
        yield note("prefect", "no server: each run starts a temporary one, which takes 9 to 16 s", fix)
        return
    prepare()
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectHTTPStatusError
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: url}), get_client(sync_client=True) as client:
        problem = client.api_healthcheck()
        if problem:
            fix = "Start it (`tunegate up`), or unset PREFECT_API_URL: then each run starts a temporary server."
            yield broken("prefect", f"{address_shown(url)} does not answer ({type(problem).__name__})", fix)
            return
        yield fine("prefect", f"{address_shown(url)} answers")
        yield from prefect_exposure(url)
        try:
            yield from server_findings(client, datetime.now(UTC))
        except PrefectHTTPStatusError as error:
            fix = "Set PREFECT_API_AUTH_STRING (your own server) or PREFECT_API_KEY (Prefect Cloud)."
            yield broken("prefect", f"it refuses a request with status {error.response.status_code}", fix)


def server_findings(client: "SyncPrefectClient", now: datetime) -> Iterator[Finding]:
    """What the server is asked, at a moment."""
    deployments = client.read_deployments(limit=200)
    yield from _settings(client)
    yield from _scheduler(client, deployments, now)
    yield from _late_runs(client)
    yield from _secrets_in_clear(client, deployments)
    yield from _readable_secrets(client)
    yield from operation_findings(client, deployments)


def _settings(client: "SyncPrefectClient") -> Iterator[Finding]:
    """[tool.prefect] counts where the server starts: one that was started elsewhere runs with Prefect's defaults."""
    from prefect.settings import PREFECT_API_KEY

    if PREFECT_API_KEY.value():
        return  # Prefect Cloud sees to its own
    server = client.request("GET", "/admin/settings").json()["server"]
    stalls = server["services"]["task_run_recorder"]["batch_size"] < int(PREFECT[RECORDER])
    forgets = server["concurrency"]["lease_storage"].endswith(".memory")
    told = "Start it by `tunegate up`, in a folder whose pyproject.toml has [tool.prefect], or with"
    if stalls:
        finding = "the server writes each event by itself: on SQLite runs stall for a minute"
        yield note("prefect settings", finding, f"{told} {RECORDER}={PREFECT[RECORDER]}.")
    if forgets:
        finding = "the server keeps the slots of runs in memory: within minutes after its restart those under way end"
        yield note("prefect settings", finding, f"{told} {LEASES}={PREFECT[LEASES]}.")
    if not (stalls or forgets):
        yield fine("prefect settings", "events are written in batches, slots survive a restart")


def _scheduler(
    client: "SyncPrefectClient", deployments: Sequence["DeploymentResponse"], now: datetime
) -> Iterator[Finding]:
    scheduled = [item for item in deployments if not item.paused and any(each.active for each in item.schedules)]
    settled = [item for item in scheduled if (item.updated or now) < now - SETTLED]
    dead = [item.name for item in settled if not _has_run_ahead(client, item, now)]
    if dead:
        fix = (
            "Restart the server with sqlalchemy<2.1 and look for `bulk DML` in its log; see that it runs its services."
        )
        yield broken("scheduler", f"an active schedule, but no run ahead: {', '.join(dead)}", fix)
    elif not scheduled:
        yield fine("scheduler", "no deployment has an active schedule")
    else:
        yield fine("scheduler", f"runs ahead for {', '.join(item.name for item in scheduled)}")


def _has_run_ahead(client: "SyncPrefectClient", deployment: "DeploymentResponse", now: datetime) -> bool:
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId, FlowRunFilter
    from prefect.client.schemas.filters import FlowRunFilterExpectedStartTime as Start

    ahead = FlowRunFilter(expected_start_time=Start(after_=now))
    this = DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))
    return bool(client.read_flow_runs(flow_run_filter=ahead, deployment_filter=this, limit=1))


def _late_runs(client: "SyncPrefectClient") -> Iterator[Finding]:
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateName

    late = FlowRunFilter(state=FlowRunFilterState(name=FlowRunFilterStateName(any_=["Late"])))
    runs = client.read_flow_runs(flow_run_filter=late, limit=200)
    if runs:
        fix = "Start `tunegate up`, or the worker of their work pool; delete those that nobody wants any more."
        yield note("late runs", f"{len(runs)} runs are due and nobody picks them up", fix)


def _secrets_in_clear(client: "SyncPrefectClient", deployments: Sequence["DeploymentResponse"]) -> Iterator[Finding]:
    """In what a deployment or its work pool hands to a run: all of it is shown to whoever may read it."""
    held: dict[str, Any] = {f"parameters or job variables of {item.name}": _handed_on(item) for item in deployments}
    held |= {
        f"the base job template of work pool {pool.name}": pool.base_job_template for pool in client.read_work_pools()
    }
    told = [name for name, content in held.items() if _holds_a_secret(content)]
    for name in told:
        yield broken("secrets", f"a key in clear: {name}", f"{REPLACE}.")
    if not told:
        yield fine("secrets", f"no key in the parameters of {len(deployments)} deployments")


def _handed_on(deployment: "DeploymentResponse") -> list[Any]:
    return [deployment.parameters, deployment.job_variables, [item.parameters for item in deployment.schedules]]


def _readable_secrets(client: "SyncPrefectClient") -> Iterator[Finding]:
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY

    blocks = client.read_block_documents_by_type("secret", include_secrets=False)
    if blocks and not PREFECT_API_AUTH_STRING.value() and not PREFECT_API_KEY.value():
        finding = f"whoever reaches the server can read its {len(blocks)} Secret blocks: it asks for no password"
        yield note("secrets", finding, "Set PREFECT_SERVER_API_AUTH_STRING there and PREFECT_API_AUTH_STRING here.")


def _holds_a_secret(content: Any) -> bool:  # noqa: ANN401 - whatever a deployment holds
    text = str(content)
    return redact(text) != text
