"""Every deployment from this one process: `python -m flows.serve`, as `tunegate up` starts it. For one machine.

Where several machines share the work, deployments/prefect.yaml gives the same deployments to a work pool, and
`python -m flows.worker` runs there. A deployment belongs to one of the two.
"""

import sys
from typing import TYPE_CHECKING, Any

from flows.deployables import Deployable, deployables
from flows.environment import prepare
from tasks.errors import ConfigurationError, TunegateError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient


def deployments() -> list[Any]:
    """Prefect's own form of each deployment: its form, its schedule, and one run at a time."""
    prepare()
    return [_served(item) for item in deployables()]


def _served(item: Deployable) -> Any:  # noqa: ANN401 - Prefect's RunnerDeployment
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.schedules import Cron

    when = item.timetable
    return item.load().to_deployment(
        name=item.name,
        parameters=item.parameters,
        description=item.about,
        tags=list(item.tags),
        schedules=[Cron(when.cron, timezone=when.timezone, slug=when.slug)] if when else [],
        concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE),
    )


def require_unpooled(client: "SyncPrefectClient") -> None:
    """Raises ConfigurationError where a work pool has one of the deployments: its workers would get no run any more."""
    from prefect.exceptions import ObjectNotFound

    for item in deployables():
        try:
            pool = client.read_deployment_by_name(item.path).work_pool_name
        except ObjectNotFound:
            continue
        if pool:
            remedy = f"Start a worker there (`python -m flows.worker --pool {pool}`), or delete the deployment first."
            raise ConfigurationError(f"deployment {item.path}", f"belongs to the work pool {pool}", remedy)


def main() -> None:
    """Serve them, see that a dead run frees its slot, and end what an earlier process left behind."""
    prepare()
    from prefect import serve
    from prefect.client.orchestration import get_client

    from flows.housekeeping import create_automations, keep_house

    served = deployments()
    with get_client(sync_client=True) as client:
        require_unpooled(client)
        create_automations(client)
    keep_house()
    serve(*served, pause_on_shutdown=False)


if __name__ == "__main__":
    try:
        main()
    except TunegateError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
