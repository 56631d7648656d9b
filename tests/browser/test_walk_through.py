"""The weeks after a verdict as one story: a base model retires, its watch notices, people say yes in the browser, the
successor answers, its answers go bad, the monitor moves the champion back. Nobody types a command in between.
"""

import datetime as dt
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import shot
from tests.browser.mlflow_pages import MlflowPages
from tests.browser.prefect_pages import PrefectPages
from tests.browser.schedules import every, flow_runs
from tests.browser.stack import Stack, environment
from tests.flows.worker import await_that, deployed
from tests.small_use_case import small_rows

pytestmark = pytest.mark.slow

USE_CASE = "notes"
MODEL = f"tunegate.{USE_CASE}"
BASE, SUCCESSOR = "local-base-small-2026-06-01", "local-base-small-2027-01-10"
LAST_DAY = (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30)).isoformat()
MODELS = {BASE: {"shutdown_date": LAST_DAY}, SUCCESSOR: {}}
ASKED = 60  # requests in production
ANSWER = f"""
import json, sys, mlflow
print(json.dumps(list(mlflow.pyfunc.load_model("models:/{MODEL}@champion").predict(json.load(sys.stdin)))))
"""


@dataclass(frozen=True)
class Champion:
    """Who stands behind the alias: its version and its model."""

    version: int
    model: str


def champion(stack: Stack) -> Champion:
    """As an auditor reads it: the chain from the champion."""
    found = stack.shell.json("audit", USE_CASE)
    return Champion(found["version"], found["model"])


def answers(stack: Stack, asked: list[str]) -> list[str]:
    """What production gets: whoever stands behind the alias, loaded by MLflow alone."""
    store = {"MLFLOW_TRACKING_URI": stack.mlflow}
    done = subprocess.run(
        [sys.executable, "-c", ANSWER],
        input=json.dumps(asked),
        env=environment(stack.shell) | store,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    found: list[str] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def right(stack: Stack) -> float:
    """Share of new notes that the champion sorts as people do."""
    rows = production_rows()
    said = answers(stack, [row["text"] for row in rows])
    return sum(one == row["label"] for one, row in zip(said, rows, strict=True)) / len(rows)


def production_rows() -> list[dict[str, str]]:
    return small_rows(ASKED, seed=99)


def log_production(stack: Stack, path: Path, version: int) -> None:
    """What production was asked and answered, with the labels that people gave afterwards."""
    rows = production_rows()
    said = answers(stack, [row["text"] for row in rows])
    now = dt.datetime.now(dt.UTC).isoformat()
    lines = [
        {"at": now, "input": row["text"], "output": one, "expected": row["label"], "version": version}
        for one, row in zip(said, rows, strict=True)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def trials(stack: Stack, state: str) -> list[dict[str, Any]]:
    """Trials in a state, the newest first."""
    return flow_runs(stack, "trial", state)


def say_yes(prefect: PrefectPages, stack: Stack, name: str, picture: str) -> str:
    """Answer the one trial that waits; the id of its run."""
    waiting = await_that(lambda: trials(stack, "Suspended"))
    flow_run = str(waiting[0]["id"])
    prefect.open_run(flow_run)
    prefect.await_state("Suspended")
    shot(prefect.page, f"{picture}-waits")
    prefect.say_yes(name, "as the report says", picture)
    await_that(lambda: flow_run not in {one["id"] for one in trials(stack, "Suspended")})
    return flow_run


@pytest.fixture(scope="module")
def folder(folder: Path) -> Path:
    """One use case. Every spending asks; what is worth having is large, so that one hundred test cases can show it."""
    deployed(
        folder,
        USE_CASE,
        title="Sorting notes by topic",
        budget={"per_run": 50, "approval_above": 0},
        approvals={"promotion": "deployed"},
        gates={"minimum_effect": 0.1, "max_latency_ratio": None},
        monitor={"sources": [{"path": "production.jsonl"}], "min_answers": 50, "min_labelled": 30},
        watch={"canaries": 0},
    )
    return folder


@pytest.fixture(scope="module")
def first(stack: Stack) -> Champion:
    """A tune is champion, promoted weeks ago."""
    stack.shell("run", USE_CASE, "--yes")
    return champion(stack)


@pytest.fixture(scope="module")
def announced(stack: Stack, first: Champion) -> None:
    """Its provider announces the last day of the base and publishes a successor; the watch looks every minute."""
    stack.provider.change_settings(models=MODELS)
    with every(stack, "watch/all", seconds=60):
        await_that(lambda: flow_runs(stack, "trial"))


@pytest.fixture(scope="module")
def prompts(prefect: PrefectPages, stack: Stack, announced: None) -> str:
    """The trial that asks whether a prompt on the successor wins: its cost is approved, and it finishes."""
    flow_run = say_yes(prefect, stack, "Ada", "11-prompts")
    prefect.await_state("Completed")
    shot(prefect.page, "12-prompts-finished")
    return flow_run


@pytest.fixture(scope="module")
def tuned(prefect: PrefectPages, stack: Stack, prompts: str) -> str:
    """The trial that follows it by itself and tunes on the successor: cost and promotion are approved."""
    money = say_yes(prefect, stack, "Ada", "13-tune")
    promotion = say_yes(prefect, stack, "Grace", "14-promotion")
    assert money == promotion != prompts
    prefect.await_state("Completed")
    shot(prefect.page, "15-promoted")
    return promotion


@pytest.fixture(scope="module")
def second(stack: Stack, tuned: str) -> Champion:
    return champion(stack)


@pytest.fixture(scope="module")
def rolled_back(stack: Stack, folder: Path, second: Champion) -> Champion:
    """The successor's answers go bad, production logs them; the monitor looks every minute, twice."""
    stack.provider.change_settings(models=MODELS, degraded={f"ft:{SUCCESSOR}*": {"answers": "wrong"}})
    log_production(stack, folder / USE_CASE / "production.jsonl", second.version)
    with every(stack, f"monitor/{USE_CASE}", seconds=60):
        await_that(lambda: len(flow_runs(stack, "monitor", "Completed")) > 1)
    return champion(stack)


def test_a_tune_is_champion_and_answers(stack: Stack, first: Champion) -> None:
    assert first.model.startswith(f"ft:{BASE}:")
    assert right(stack) > 0.7


def test_the_watch_asks_for_a_trial_of_prompts_on_the_successor_and_says_why(
    stack: Stack, prefect: PrefectPages, announced: None, prompts: str
) -> None:
    [found] = [one for one in flow_runs(stack, "trial") if one["id"] == prompts]
    options = found["parameters"]["options"]
    assert options["train"] is False
    assert LAST_DAY in options["reason"]
    prefect.page.goto(f"{prefect.address}/v2/events")
    shot(prefect.page, "16-events")
    prefect.page.goto(f"{prefect.address}/v2/runs")
    expect(prefect.page.get_by_role("link").filter(has_text=f"{USE_CASE}, prompts only: ").first).to_be_visible()
    shot(prefect.page, "17-runs")


def test_nobody_is_promoted_by_prompts_alone_and_a_tune_on_the_successor_follows(
    stack: Stack, prompts: str, tuned: str, second: Champion
) -> None:
    assert second.model.startswith(f"ft:{SUCCESSOR}:")
    assert second.version != stack.shell.json("audit", USE_CASE)["moves"][0]["version"]


def test_the_version_page_tells_who_said_yes(mlflow: MlflowPages, second: Champion) -> None:
    mlflow.open(f"models/{MODEL}/versions/{second.version}")
    expect(mlflow.page.get_by_text("Grace").first).to_be_attached()
    shot(mlflow.page, "18-version")


def test_the_monitor_moves_the_champion_back_and_it_answers_again(
    stack: Stack, first: Champion, second: Champion, rolled_back: Champion
) -> None:
    assert rolled_back == first
    assert right(stack) > 0.7


def test_every_move_is_on_record_with_who_and_why(stack: Stack, rolled_back: Champion) -> None:
    moves = stack.shell.json("audit", USE_CASE)["moves"]
    assert [move["action"] for move in moves][-2:] == ["promote", "rollback"]
    promoted, back = moves[-2:]
    assert (promoted["by"], promoted["by_kind"]) == ("Grace", "self-declared")
    assert (back["by"], back["by_kind"]) == ("monitor", "policy")
    assert "quality" in back["reason"]


def test_the_chain_holds_after_all_of_it(stack: Stack, prefect: PrefectPages, rolled_back: Champion) -> None:
    done = stack.shell("audit", USE_CASE)
    assert done.returncode == 0, done.stdout + done.stderr
    prefect.page.goto(f"{prefect.address}/v2/runs")
    shot(prefect.page, "19-runs-after-all")
