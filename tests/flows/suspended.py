"""A use case whose deployed runs suspend until a person says yes, worked on in this very process."""

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.schemas.objects import State
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from prefect.states import AwaitingRetry, Failed

from flows.trial import trial
from tasks import workspace
from tasks.ledger import Ledger
from tasks.ledger.rows import RunRecord
from tasks.workspace import Workspace
from tests.embedded import RunningServer
from tests.flows.worker import Prefect


@dataclass
class Deployed:
    """A deployed use case whose runs need a yes, and a person at Prefect. A worker is played by `work`."""

    prefect: Prefect
    provider: RunningServer
    use_case: Path
    name: str = "approving"
    deployment: UUID = field(init=False)
    returned: Any = None  # by the last run that came to its end

    def __post_init__(self) -> None:
        self.deployment = trial.to_deployment(name=self.name).apply()  # type: ignore[union-attr, assignment]

    def start(self, **options: Any) -> UUID:
        """A run, worked on until it waits."""
        parameters = {"use_case": str(self.use_case), "options": options}
        flow_run = self.prefect.client.create_flow_run_from_deployment(self.deployment, parameters=parameters).id
        self.work(flow_run)
        return flow_run

    def work(self, flow_run: UUID) -> State[Any]:
        """What a worker's process does with a run that is due; the state in which it leaves it."""
        found = self.prefect.run(flow_run)
        with contextlib.suppress(Pause):
            ended = run_flow(trial, flow_run=found, parameters=found.parameters, return_type="state")
            self.returned = ended.result(raise_on_failure=False)  # type: ignore[union-attr]
        state = self.prefect.run(flow_run).state
        assert state is not None
        return state

    def ask_again(self, flow_run: UUID) -> State[Any]:
        """Somebody retries a run whose form ran out of time."""
        ended: list[State[Any]] = [Failed(message="The flow was paused and never resumed."), AwaitingRetry()]
        for state in ended:
            self.prefect.client.set_flow_run_state(flow_run, state, force=True)
        return self.work(flow_run)

    def row(self, flow_run: UUID) -> RunRecord:
        [row] = [row for row in Ledger().runs() if row.detail.get("flow_run_id") == str(flow_run)]
        return row

    def space(self, flow_run: UUID) -> Workspace:
        return workspace.reopen(self.row(flow_run).run)

    def say(self, flow_run: UUID, **form: str) -> None:
        """Send the form, by Ada unless it says otherwise."""
        said = self.prefect.answer(flow_run, **{"your_name": "Ada", **form})
        assert said["status"] == "ACCEPT", said
