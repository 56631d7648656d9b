"""The weeks after a verdict, a stage a method: each kills the victim in the midst of it, and sees it through."""

import datetime as dt
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from tasks.ledger import Ledger
from tests.chaos.house import House
from tests.flows.worker import await_that, deployed
from tests.small_use_case import small_rows

USE_CASE = "notes"
BASE, SUCCESSOR = "local-base-small-2026-06-01", "local-base-small-2027-01-10"
LAST_DAY = (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30)).isoformat()
MODELS = {BASE: {"shutdown_date": LAST_DAY}, SUCCESSOR: {}}
SLOW_JOB = {"validating_files": 0.1, "queued": 0.1, "running": 600}
ALIAS_READ, ALIAS_SET = "GET .*registered-models/alias", "POST .*registered-models/alias"
AT_ONCE_S = 300  # for a machine with more to do than this
ENDED, FORGIVEN = ("Completed", "Crashed"), 4


def deploy(folder: Path) -> None:
    """The use case: every spending asks, and what is worth having is large, so that its test cases can show it."""
    deployed(
        folder,
        USE_CASE,
        budget={"per_run": 50, "approval_above": 0},
        approvals={"promotion": "deployed"},
        gates={"minimum_effect": 0.1, "max_latency_ratio": None},
        monitor={"sources": [{"path": "production.jsonl"}], "min_answers": 50, "min_labelled": 30},
        watch={"canaries": 0},
    )


@dataclass
class Weeks:
    """One walk through them. `first`: the champion's version at their begin."""

    house: House
    victim: str
    first: int = field(init=False)
    second: int = 0
    answered: int = 0  # requests to models before the job ended

    def __post_init__(self) -> None:
        self.first = Ledger().moves(USE_CASE)[-1].version

    # ------------------------------------------------------------ watch

    def watch_interrupted(self) -> None:
        """Nothing has changed yet."""
        with self.house.mlflow_failing(ALIAS_READ, "503") as asked:
            looking = self.house.begin("watch/all")
            await_that(asked)
            self.house.services[self.victim].kill()
        self.house.services[self.victim].start()
        self.house.ended(looking)

    def watch(self) -> None:
        """One pass to its end."""
        assert self.house.ended(self.house.begin("watch/all")).is_completed()

    def wanted(self) -> None:
        """The base's last day is announced; killed as soon as the ledger says that a trial is asked for."""
        self.house.provider.change_settings(models=MODELS)
        looking = self.house.begin("watch/all")
        at_once(lambda: Ledger().seen(USE_CASE, "wanted trial"))
        self.house.kill(self.victim)
        self.house.ended(looking)
        self.watch()
        await_that(lambda: self.house.flow_runs("trial"))

    def followed(self) -> None:
        """The first trial promotes nobody; killed as soon as the second one is asked for."""
        [first] = self.house.flow_runs("trial")
        asked = Ledger().seen(USE_CASE, "wanted trial")
        self.say_yes("approve", "Ada")
        at_once(lambda: Ledger().seen(USE_CASE, "wanted trial") != asked)
        self.house.kill(self.victim)
        self.house.prefect.await_end(first.id)
        await_that(lambda: len(self.house.flow_runs("trial")) > 1)

    # ------------------------------------------------------------ the trial that tunes

    @property
    def trial(self) -> UUID:
        """The flow run of the trial that tunes."""
        found: UUID = self.house.flow_runs("trial")[1].id
        return found

    def data(self) -> None:
        """Killed once its rows are partitioned; seen through to its first question."""
        at_once(lambda: self._has("partitions.parquet"))
        assert not self._has("estimate.json")
        self.house.kill(self.victim)
        self._await_question()

    def money(self) -> None:
        """Killed while it waits; the yes comes as soon as the server is there to take it."""
        self.house.provider.change_settings(models=MODELS, job_seconds=SLOW_JOB)
        self.house.kill(self.victim)
        self.say_yes("approve", "Ada")

    def job(self) -> None:
        """Killed while the job trains; then the job comes to its end."""
        before = len(self.house.provider.log("jobs.retrieve"))
        await_that(lambda: len(self.house.provider.log("jobs.retrieve")) > before)
        self.house.kill(self.victim)
        self.answered = len(self.house.provider.log("chat.create"))
        self.house.provider.change_settings(models=MODELS, latency={"scale": 40})

    def evaluating(self) -> None:
        """Killed among the answers to the test cases; seen through to its second question."""
        at_once(lambda: len(self.house.provider.log("chat.create")) > self.answered + 5)
        self.house.kill(self.victim)
        self.house.provider.change_settings(models=MODELS)
        self._await_question()

    def promotion(self) -> None:
        """Killed while it waits for a yes to its verdict."""
        self.house.kill(self.victim)

    def registering(self) -> None:
        """The yes, and killed once the alias has moved and the history does not say so yet."""
        with self.house.mlflow_failing(ALIAS_SET, "lost") as asked:
            self.say_yes("promote", "Grace")
            at_once(asked)
            self.house.services[self.victim].kill()
        self.house.services[self.victim].start()
        self._await_end_with_a_person()
        self.second = Ledger().moves(USE_CASE)[-1].version

    def _await_end_with_a_person(self) -> None:
        """Where it crashed more often than the automation forgives, somebody presses Retry."""
        from prefect.states import AwaitingRetry

        prefect = self.house.prefect
        found = await_that(lambda: run if (run := prefect.run(self.trial)).state_name in ENDED else None)
        if found.state_name == "Crashed" and found.run_count > FORGIVEN:
            prefect.client.set_flow_run_state(self.trial, AwaitingRetry(), force=True)
        prefect.await_end(self.trial)

    def say_yes(self, to: str, name: str) -> None:
        """To the one trial that waits."""
        [waiting] = await_that(lambda: self.house.in_state("trial", "Suspended"))
        said = self.house.prefect.answer(waiting.id, **{to: "yes", "your_name": name})
        assert said["status"] == "ACCEPT", said

    def asked(self) -> int:
        """How many questions the trial has asked, each counted as often as it was put."""
        states = self.house.prefect.client.request(
            "GET", "/flow_run_states/", params={"flow_run_id": str(self.trial)}
        ).json()
        return sum(state["name"] == "Suspended" for state in states)

    def _await_question(self) -> None:
        await_that(lambda: self.house.in_state("trial", "Suspended"))

    def _has(self, name: str) -> bool:
        """Whether the folder of the trial's run has a file."""
        rows = [row for row in Ledger().runs() if row.detail.get("flow_run_id") == str(self.trial)]
        return any((self.house.folder / "home" / "runs" / row.run / name).exists() for row in rows)

    # ------------------------------------------------------------ the monitor

    def on_watch(self) -> int:
        """The second champion is on watch, and its answers went wrong; how many moves there were."""
        ledger = Ledger()
        if ledger.moves(USE_CASE)[-1].version != self.second:
            self.house.run("promote", USE_CASE, str(self.second), "--reason", "once more")
        now = dt.datetime.now(dt.UTC).isoformat()
        lines = [
            {"at": now, "input": row["text"], "output": wrong(row["label"]), "expected": row["label"]}
            for row in small_rows(60, seed=99)
        ]
        path = self.house.folder / USE_CASE / "production.jsonl"
        path.write_text("".join(json.dumps({**line, "version": self.second}) + "\n" for line in lines))
        self.house.ended(self.house.begin(f"monitor/{USE_CASE}"))  # the second look in a row decides
        return len(ledger.moves(USE_CASE))

    def monitored(self, kind: str) -> None:
        """Killed as it moves the champion back; the next look sees it through."""
        with self.house.mlflow_failing(ALIAS_SET, kind) as asked:
            looking = self.house.begin(f"monitor/{USE_CASE}")
            at_once(asked)
            self.house.services[self.victim].kill()
        self.house.services[self.victim].start()
        self.house.ended(looking)
        self.house.ended(self.house.begin(f"monitor/{USE_CASE}"))

    def settled(self) -> None:
        """No run is under way any more."""
        flows = ("trial", "watch", "monitor")
        await_that(lambda: all(one.state.is_final() for flow in flows for one in self.house.flow_runs(flow)))


def wrong(label: str) -> str:
    """Another label."""
    return "ships" if label != "ships" else "tools"


def at_once(condition: Callable[[], Any]) -> None:
    """As `await_that`, for what lasts a moment only."""
    deadline = time.monotonic() + AT_ONCE_S
    while not condition():
        assert time.monotonic() < deadline, f"it did not come to that in {AT_ONCE_S} s"
        time.sleep(0.005)
