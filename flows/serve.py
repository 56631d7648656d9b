"""The trial of every bundled use case as a deployment: a form in Prefect's UI, and its schedule."""

import sys
from typing import Any

from data_contracts.load import bundled, load
from data_contracts.use_case import UseCase
from flows.environment import prepare
from tasks.errors import TunegateError

ABOUT = """{description}

**Run** starts a whole trial: the rows are checked and partitioned, the best prompt is found, a model is tuned on
`{base_model}`, and all candidates answer the same sealed test set. The champion in MLflow changes only if a candidate
beats it there. Leave the form as it is for a normal trial; tick *Approve the estimated cost* if the run says that it
needs an approval (above ${approval_above:,.2f}).
"""


def deployments() -> list[Any]:
    """One deployment a use case, named like it."""
    prepare()
    from prefect.schedules import Cron

    from flows.trial import trial

    found = []
    for name in bundled():
        try:
            case = load(name).use_case
        except TunegateError as error:  # one broken file must not take the others down
            sys.stderr.write(f"{name} is not deployed. {error}\n")
            continue
        schedule = (
            Cron(case.schedule.cron, timezone=case.schedule.timezone, slug="use-case-file") if case.schedule else None
        )
        found.append(
            trial.to_deployment(
                name=name,
                parameters={"use_case": name},
                description=_about(case),
                tags=["tunegate", name, case.kind.value],
                schedules=[schedule] if schedule else None,
                concurrency_limit=1,
            )
        )
    return found


def _about(case: UseCase) -> str:
    return ABOUT.format(
        description=case.description or case.title or case.name,
        base_model=case.fine_tune.base_model,
        approval_above=case.budget.approval_above,
    )


def main() -> None:
    """Serve them, see that a dead run frees its slot, and end what an earlier process left behind."""
    from prefect import serve
    from prefect.client.orchestration import get_client

    from flows.housekeeping import create_automations, keep_house

    served = deployments()
    with get_client(sync_client=True) as client:
        create_automations(client)
    keep_house()
    serve(*served, pause_on_shutdown=False)


if __name__ == "__main__":
    main()
