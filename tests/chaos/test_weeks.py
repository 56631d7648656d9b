"""A base model retires and its successor is promoted and rolled back, while one of the three that carry all of it,
Prefect's server, MLflow's and the worker, is killed at each stage: the end is as if nothing had been killed.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.ledger import Ledger
from tests.chaos.house import HURRIED_S, SHIPPED_S, house
from tests.chaos.weeks import USE_CASE, Weeks, deploy

pytestmark = pytest.mark.kills
KEPT = ("home", "provider", "prefect", "mlartifacts")


@pytest.fixture(scope="module")
def with_champion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a tune is champion; nothing runs there any more."""
    folder = tmp_path_factory.mktemp("before")
    deploy(folder)
    with house(folder, USE_CASE) as place:
        place.run("run", USE_CASE, "--yes")
    return folder


@pytest.fixture(scope="module", params=["worker", "server", "MLflow"])
def weeks(
    request: pytest.FixtureRequest, with_champion: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Weeks]:
    """The weeks, in a copy of that folder, with one that is killed again and again."""
    folder = tmp_path_factory.mktemp(request.param)
    for name in KEPT:
        shutil.copytree(with_champion / name, folder / name)
    shutil.copy(with_champion / "mlflow.db", folder)
    deploy(folder)
    within = HURRIED_S if request.param == "worker" else SHIPPED_S  # a server may take longer than that to come back
    with pytest.MonkeyPatch.context() as patch, house(folder, USE_CASE, within) as place:
        patch.setenv("TUNEGATE_HOME", str(folder / "home"))
        yield Weeks(place, request.param)


def test_a_watch_that_it_interrupts_ends_and_the_next_one_looks(weeks: Weeks) -> None:
    weeks.watch_interrupted()
    weeks.watch()


def test_a_trial_that_was_wanted_as_it_died_starts_once(weeks: Weeks) -> None:
    weeks.wanted()
    [trial] = weeks.house.flow_runs("trial")
    assert trial.parameters["options"]["train"] is False


def test_the_trial_that_follows_it_starts_once(weeks: Weeks) -> None:
    weeks.followed()
    assert len(weeks.house.flow_runs("trial")) == 2


def test_killed_among_the_data_steps_it_comes_to_its_cost(weeks: Weeks) -> None:
    weeks.data()
    assert weeks.asked() == 1


def test_killed_while_it_waits_for_the_money_it_takes_the_yes(weeks: Weeks) -> None:
    weeks.money()


def test_killed_while_its_job_runs_it_keeps_the_job(weeks: Weeks) -> None:
    weeks.job()


def test_killed_while_it_evaluates_it_comes_to_its_verdict(weeks: Weeks) -> None:
    weeks.evaluating()
    assert weeks.asked() == 2


def test_killed_while_it_waits_for_the_promotion_and_between_alias_and_history_it_moves_once(weeks: Weeks) -> None:
    weeks.promotion()
    weeks.registering()
    audit = weeks.house.audit()
    made = [move for move in audit["moves"] if move["by"] == "Grace"]
    assert [move["action"] for move in made] == ["promote"]
    assert audit["version"] == made[0]["version"] == audit["moves"][-1]["version"]
    assert weeks.asked() == 2, "each once"


def test_there_is_one_job_for_each_purchase(weeks: Weeks) -> None:
    intents = Ledger().intents(USE_CASE)
    assert len(weeks.house.provider.log("jobs.create")) == len(intents) == 2
    assert len({intent.job_id for intent in intents}) == 2


@pytest.mark.parametrize("kind", ["503", "lost"], ids=["before the move", "after the move"])
def test_killed_beside_its_move_the_monitor_rolls_back_once(weeks: Weeks, kind: str) -> None:
    before = weeks.on_watch()
    weeks.monitored(kind)
    audit = weeks.house.audit()
    assert [move["action"] for move in audit["moves"][before:]] == ["rollback"]
    assert audit["version"] == weeks.first == audit["moves"][-1]["version"]


def test_nothing_is_left_running_and_the_chain_holds(weeks: Weeks) -> None:
    weeks.settled()
    weeks.house.run("audit", USE_CASE)
    assert {row.state for row in Ledger().runs()} == {"finished"}
