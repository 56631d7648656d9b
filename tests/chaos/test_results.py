"""The result file gathers over calls, and its table says what failed and how to see it again."""

from pathlib import Path

from tests.chaos.results import Result, Results


def result(name: str, *problems: str, exits: tuple[int, ...] = (-9, 0)) -> Result:
    return Result("random", name, list(problems), list(exits), seconds=2.0, about="a kill", seed=int(name))


def test_what_was_tried_is_known_to_the_next_call(tmp_path: Path) -> None:
    Results(tmp_path / "all.jsonl").add(result("1"))
    Results(tmp_path / "all.jsonl").add(result("2"))
    gathered = Results(tmp_path / "all.jsonl")
    assert ("random", "1") in gathered and ("random", "2") in gathered and ("random", "3") not in gathered


def test_a_line_torn_by_a_kill_is_no_result(tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    Results(path).add(result("1"))
    with path.open("a") as file:
        file.write('{"kind": "random", "na')
    assert ("random", "1") in Results(path)


def test_the_table_counts_trials_duplicates_lost_runs_and_kills(tmp_path: Path) -> None:
    results = Results(tmp_path / "all.jsonl")
    for one in (result("1"), result("2", "2 jobs paid for intent abc"), result("3", "lost: it ended with 75")):
        results.add(one)
    row = results.table().splitlines()[1].split()
    assert row == ["random", "3", "1", "2", "1", "1", "3", "2.0"]


def test_each_failure_says_how_to_repeat_it(tmp_path: Path) -> None:
    results = Results(tmp_path / "all.jsonl")
    results.add(result("7", "lost: it ended with 75"))
    assert "python -m tests.chaos --kind random --seeds 7..7" in results.table()
