"""What others may listen to in Prefect: an event a change, about a use case; automations answer with a deployment."""

import asyncio
import logging
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4, uuid5

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

log = logging.getLogger("tunegate")
OURS = UUID("5d0f7a5e-3c0b-4f63-9f0e-6a1c1f5f2b7d")  # what ids of events are made under, any would do


def emit(event: str, use_case: str, payload: dict[str, Any], key: str = "") -> None:
    """Emit `tunegate.EVENT` about a use case. `payload` holds names, days and figures, no row text.

    With a `key` it is one event however often it is emitted. Without a server nobody listens, and none is started for
    it. A server that dies may lose it, or be told of it twice.
    """
    from prefect.events import emit_event

    if _has_server():
        emit_event(**_content(event, use_case, payload), id=_id(event, use_case, key) if key else uuid4())


def deliver(event: str, use_case: str, payload: dict[str, Any], answered_by: str) -> None:
    """The same, sent once and received when this returns: what an automation does about it costs money.

    A server that dies at that moment may lose it all the same.

    `answered_by` is the `flow/name` of the deployment that an automation with an inferred deployment starts. Raises
    whatever Prefect's client raises where the server does not answer.
    """
    from prefect.events import Event
    from prefect.events.clients import get_events_client

    if not _has_server():
        return
    deployment = _deployment(answered_by)
    content = {**_content(event, use_case, payload), "related": [deployment] if deployment else []}
    told = Event.model_validate(content)

    async def send() -> None:  # by a client of its own: one that stays sends again what nobody confirmed
        async with get_events_client(reconnection_attempts=0, checkpoint_every=1) as client:
            await client.emit(told)

    asyncio.run(send())


def _has_server() -> bool:
    from prefect.context import FlowRunContext
    from prefect.settings import PREFECT_API_URL

    return bool(PREFECT_API_URL.value()) or FlowRunContext.get() is not None


def _content(event: str, use_case: str, payload: dict[str, Any]) -> dict[str, Any]:
    resource = {"prefect.resource.id": f"tunegate.use-case.{use_case}", "prefect.resource.name": use_case}
    return {"event": f"tunegate.{event}", "resource": resource, "payload": {"use_case": use_case, **payload}}


def say_it_waits(flow_run: "FlowRun", flow: str) -> None:
    """Emit `tunegate.run.waits` about a suspended run, as related as its heartbeats are: none of them is missed."""
    from prefect.events import emit_event

    emit_event(
        event="tunegate.run.waits",
        resource={"prefect.resource.id": f"prefect.flow-run.{flow_run.id}", "prefect.resource.name": flow_run.name},
        related=[
            {
                "prefect.resource.id": f"prefect.flow.{flow_run.flow_id}",
                "prefect.resource.role": "flow",
                "prefect.resource.name": flow,
            },
            *({"prefect.resource.id": f"prefect.tag.{tag}", "prefect.resource.role": "tag"} for tag in flow_run.tags),
        ],
    )


def is_heard(event: str, use_case: str, key: str) -> bool:
    """Whether the server has the event of that key: one that is killed loses what it did not write yet."""
    from prefect.client.orchestration import get_client

    asked = {"filter": {"id": {"id": [str(_id(event, use_case, key))]}}, "limit": 1}
    with get_client(sync_client=True) as client:
        return bool(client.request("POST", "/events/filter", json=asked).json()["events"])


def _id(event: str, use_case: str, key: str) -> UUID:
    return uuid5(OURS, f"{use_case} {event} {key}")


def _deployment(name: str) -> dict[str, str]:
    """The deployment as an event's related resource; nothing where the server has none of that name.

    Its role is one of its own: Prefect adds the deployment that emits an event as `deployment`, which is not to answer.
    """
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    try:
        with get_client(sync_client=True) as client:
            found = client.read_deployment_by_name(name)
    except ObjectNotFound:
        log.warning("events     there is no deployment %s: nothing answers by itself", name)
        return {}
    return {
        "prefect.resource.id": f"prefect.deployment.{found.id}",
        "prefect.resource.role": "answered-by",
        "prefect.resource.name": found.name,
    }
