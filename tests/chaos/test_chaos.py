"""A sample of `make chaos`: whatever dies and whatever the provider does, one job is paid for and no run is lost.

What each purchase rests on is in tests/finetune/test_exactly_once.py, which every `make test` runs.
"""

from pathlib import Path

import pytest

from tests import postgres
from tests.chaos import grid, race
from tests.chaos.disturbances import drawn, try_random
from tests.chaos.grid import Cell, try_cell
from tests.chaos.judge import Undisturbed, early_requests, problems
from tests.chaos.kill_points import chosen
from tests.chaos.outcome import intents
from tests.chaos.person import DONE, RESUMABLE, Attempt, see_through
from tests.chaos.place import make_place
from tests.chaos.processes import KILLED, Forks

pytestmark = pytest.mark.slow
BUYING = (
    "file curated.parquet #1 after",
    "ledger open_intent #1 after",
    "request files.create #1 after",
    "ledger advance SUBMITTING #1 after",
    "request jobs.create #1 after",
    "file submission.json #1 before",
)
JUDGING = (
    "ledger advance ENDED #1 before",
    "request chat.create #9 after",
    "file verdict.json #1 before",
    "mlflow create_model_version #1 after",
    "mlflow set_registered_model_alias champion #1 after",
    "file registration.json #1 before",
)
A_FAULT_AT_EACH_CALL = (
    {
        "prices.list": "error_500",
        "models.list": "cut_json",
        "files.list": "html",
        "files.create": "lost_answer",
        "jobs.list": "overloaded",
        "jobs.create": "cut_body",
        "jobs.retrieve": "null_body",
        "jobs.events": "bare_429",
        "chat.create": "retry_after_1",
    },
    {
        "prices.list": "retry_after_ms",
        "models.list": "reset",
        "files.list": "killed",
        "files.create": "overloaded_after",
        "jobs.list": "empty_page",
        "jobs.create": "error_500_after",
        "jobs.retrieve": "status_unknown",
        "jobs.events": "repeated",
        "chat.create": "lost_answer",
    },
)
LASTING = (
    Cell("files.create", "no_key", lasts=True),
    Cell("jobs.create", "closed", lasts=True),
    Cell("jobs.list", "retry_after_300", lasts=True),
)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_random_trial_pays_once_and_comes_to_the_same_end(
    seed: int, forks: Forks, use_case: Path, expected: Undisturbed, tmp_path: Path
) -> None:
    found, course = try_random(forks, tmp_path, use_case, seed, expected)
    assert not found, f"seed {seed}: {drawn(seed, expected)}, exits {course.exits}: {found}"


@pytest.mark.parametrize("points", [BUYING, JUDGING], ids=["buying", "judging"])
def test_a_trial_that_dies_at_one_point_after_the_other_ends_as_if_it_had_not(
    points: tuple[str, ...], forks: Forks, use_case: Path, expected: Undisturbed, tmp_path: Path
) -> None:
    place = make_place(forks, tmp_path, use_case)
    course = see_through(place, [Attempt({"die_at": point}) for point in points])
    assert problems(place, course, expected) == []
    assert course.exits.count(KILLED) == len(points)


def test_a_trial_has_more_than_a_hundred_named_points_to_die_at(expected: Undisturbed) -> None:
    points = chosen(expected.points)
    assert len(points) == len(set(points)) > 100


@pytest.mark.parametrize("faults", A_FAULT_AT_EACH_CALL, ids=["first", "second"])
def test_a_trial_survives_a_fault_at_each_of_its_calls(
    faults: dict[str, str], forks: Forks, use_case: Path, expected: Undisturbed, tmp_path: Path
) -> None:
    place = make_place(forks, tmp_path, use_case, [{"call": call, "happens": name} for call, name in faults.items()])
    course = see_through(place, [Attempt()])
    assert problems(place, course, expected) + early_requests(place) == []
    assert {line["call"] for line in place.provider.log() if line["fault"]} == set(faults)


@pytest.mark.parametrize("cell", LASTING, ids=lambda cell: cell.name)
def test_a_fault_that_lasts_stops_the_run_until_a_person_mends_it(
    cell: Cell, forks: Forks, use_case: Path, expected: Undisturbed, tmp_path: Path
) -> None:
    found, course = try_cell(forks, tmp_path, use_case, cell, expected)
    assert not found, found
    assert course.exits[0] in (RESUMABLE, 5) and course.exits[-1] == DONE


def test_the_grid_has_more_than_two_hundred_cells() -> None:
    cells = [cell.name for cell in grid.cells()]
    assert len(cells) == len(set(cells)) > 200


def test_a_purchase_of_unknown_fate_is_parked_until_a_person_answers(
    forks: Forks, use_case: Path, expected: Undisturbed, tmp_path: Path
) -> None:
    cell = Cell("jobs.create", "lost_answer", unlisted=1000)
    found, course = try_cell(forks, tmp_path, use_case, cell, expected)
    assert (found, course.exits[0], course.exits[-1]) == ([], RESUMABLE, DONE)
    assert course.answers[0].startswith("--found ftjob-")


@pytest.mark.parametrize("wanted", ["same", "other"])
def test_processes_at_once_buy_one_job_an_intent(
    wanted: str, forks: Forks, use_case: Path, expected: Undisturbed, tmp_path: Path
) -> None:
    settings = {"same": race.same_intent()[:3], "other": race.other_intents()[:2]}[wanted]
    with race.arena(forks, tmp_path, use_case, race.SLOW_CREATE) as place:
        assert race.race(place, settings) == []


def test_who_waits_for_a_process_that_dies_goes_on_at_once(
    forks: Forks, use_case: Path, expected: Undisturbed, tmp_path: Path
) -> None:
    with race.arena(forks, tmp_path, use_case, race.HANGING_CREATE) as place:
        found, seconds = race.takes_over(place)
        assert (found, len(intents(place))) == ([], 1)
        assert seconds < race.NEXT_START_S


@pytest.mark.skipif(not postgres.installed(), reason="no PostgreSQL server on this machine")
@pytest.mark.parametrize("number", [2, 4, 6], ids=["dies", "other", "same"])
def test_the_same_holds_on_postgresql(number: int, forks: Forks, use_case: Path, tmp_path: Path) -> None:
    found, course = race.round_of(number, forks, use_case, tmp_path)
    assert not found, found
    assert "PostgreSQL" in course.said[0]


@pytest.mark.parametrize("settings", [race.same_intent(), race.other_intents()], ids=["one intent", "four intents"])
def test_eight_processes_at_once_buy_one_job_an_intent(
    settings: list[str], forks: Forks, use_case: Path, tmp_path: Path
) -> None:
    with race.arena(forks, tmp_path, use_case, race.SLOW_CREATE) as place:
        assert race.race(place, settings) == []
