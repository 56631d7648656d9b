"""What the weeks after a verdict need of Prefect's server: automations, workers, the blocks that tell a person."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from data_contracts.load import bundled, load, read_yaml
from flows.doctor.finding import Finding, broken, fine, note
from tasks.errors import TunegateError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import DeploymentResponse

CREATE = "Run `tunegate up` or `python -m flows.worker` once, or: prefect automation create --from-file {file}"


def operation_findings(client: "SyncPrefectClient", deployments: Sequence["DeploymentResponse"]) -> Iterator[Finding]:
    """Everything of it, for the deployments that a server has."""
    ours = [item for item in deployments if "tunegate" in item.tags]
    if ours:
        yield from automations(client)
    yield from workers(client, ours)
    yield from notification_blocks(client)


def automations(client: "SyncPrefectClient") -> Iterator[Finding]:
    """Those that are shipped: there, as shipped, and not paused. One that differs may be somebody's choice."""
    from prefect.events.schemas.automations import AutomationCore

    from flows.housekeeping import AUTOMATIONS

    known = {item.name: item for item in client.read_automations()}
    shipped = [AutomationCore.model_validate(plain) for plain in read_yaml(AUTOMATIONS)["automations"]]
    found = [finding for item in shipped if (finding := _automation(item, known.get(item.name), str(AUTOMATIONS)))]
    yield from found
    if not found:
        yield fine("automations", f"{len(shipped)} shipped ones are there, as shipped")


def _automation(shipped: Any, there: Any, file: str) -> Finding | None:  # noqa: ANN401 - Prefect's AutomationCore
    name, description = shipped.name, shipped.description
    if there is None:
        return broken("automations", f"{name} is missing. {description}", CREATE.format(file=file))
    if not there.enabled:
        return note("automations", f"{name} is paused. {description}", "Switch it on again in Prefect's UI.")
    if _does(shipped) != _does(there):
        fix = f"If nobody changed it on purpose: delete it in Prefect's UI. {CREATE.format(file=file)}"
        return note("automations", f"{name} is not the one that this release ships", fix)
    return None


def _does(automation: Any) -> tuple[Any, Any]:  # noqa: ANN401 - Prefect's AutomationCore
    """Its trigger and actions, without what the server adds."""
    plain = automation.model_dump(mode="json", include={"trigger", "actions"})
    plain["trigger"].pop("id", None)
    return _sorted(plain["trigger"]), plain["actions"]


def _sorted(content: Any) -> Any:  # noqa: ANN401 - JSON
    """Lists that are sets by their order of letters."""
    if isinstance(content, dict):
        return {name: _sorted(value) for name, value in content.items()}
    return sorted(map(_sorted, content), key=str) if isinstance(content, list) else content


def workers(client: "SyncPrefectClient", deployments: Sequence["DeploymentResponse"]) -> Iterator[Finding]:
    """Each work pool that has a deployment of ours is not paused, and a worker looks at it."""
    from prefect.client.schemas.filters import WorkerFilter, WorkerFilterStatus

    online = WorkerFilter(status=WorkerFilterStatus(any_=["ONLINE"]))
    for pool in sorted({item.work_pool_name for item in deployments if item.work_pool_name}):
        if client.read_work_pool(pool).is_paused:
            yield broken("work pool", f"{pool} is paused: its runs wait", "Resume it in Prefect's UI.")
        elif found := client.read_workers_for_work_pool(pool, worker_filter=online):
            yield fine("work pool", f"{len(found)} at work for {pool}")
        else:
            fix = f"Start one: python -m flows.worker --pool {pool}"
            yield broken("work pool", f"nobody works for {pool}: its runs wait", fix)


def notification_blocks(client: "SyncPrefectClient") -> Iterator[Finding]:
    """Each block that `approvals.notify` of a use case names is there."""
    from prefect.exceptions import ObjectNotFound

    for name, users in _notified().items():
        kind, _, block = name.partition("/")
        try:
            client.read_block_document_by_name(block, kind, include_secrets=False)
        except ObjectNotFound:
            fix = f"Create it in Prefect's UI under Blocks, or take it out of approvals.notify of {', '.join(users)}."
            yield broken("notifications", f"there is no notification block {name}: nobody is told", fix)
        else:
            yield fine("notifications", f"{name} is there")


def _notified() -> dict[str, list[str]]:
    """Block to the use cases that name it. A broken use-case file is a finding elsewhere."""
    users: dict[str, list[str]] = {}
    for name in bundled():
        try:
            blocks = load(name).use_case.approvals.notify
        except TunegateError:
            continue
        for block in blocks:
            users.setdefault(block, []).append(name)
    return users
