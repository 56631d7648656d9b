"""One look at a champion in production, on a real registry, ledger and run folder."""

import json
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from data_contracts.load import load
from data_contracts.monitoring import MonitorReport
from data_contracts.text import words_hash
from tasks.errors import ConfigurationError
from tasks.home import run_path
from tasks.ledger import Ledger
from tasks.ledger.operating import Forgotten
from tasks.register.mlflow_registry import Registry
from tasks.steps import data
from tasks.steps.monitoring import look
from tasks.watch.drift import GONE
from tasks.workspace import Workspace
from tests.embedded import RunningServer
from tests.monitored import Production, with_champion
from tests.small_use_case import small_use_case
from tests.stepwise import Finished, begin, take_data_steps


@pytest.fixture(scope="module")
def watched(
    finished: Finished, shared_provider: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A home whose champion is the finished trial's tune."""
    home = tmp_path_factory.mktemp("watched") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEGATE_HOME", str(home))
        patch.setenv("TUNEGATE_PROVIDER_URL", shared_provider.url)
        with_champion(finished, home)
        yield home


@pytest.fixture
def production(watched: Path, tmp_path: Path) -> Production:
    return Production.of(tmp_path)


def broken(report: MonitorReport) -> set[str]:
    return {check.name for check in report.checks if check.broken}


# ---------------------------------------------------------------- the verdict


def test_a_champion_that_answers_as_it_did_is_healthy_and_every_figure_is_measured(production: Production) -> None:
    production.answer()
    report = production.look()
    assert (report.health, report.answers, report.labelled) == ("healthy", 150, 150)
    assert all(check.value is not None for check in report.checks)
    assert report.quality.value == 1.0


def test_wrong_answers_lead_back(production: Production) -> None:
    production.answer(wrong=0.5)
    report = production.look()
    assert report.health == "roll back"
    assert "quality" in broken(report)


def test_answers_of_no_asked_form_and_requests_that_the_model_declined_lead_back(production: Production) -> None:
    production.answer(count=120, expected=None)
    production.answer(count=40, seed=51, output="I would say it is about music.", expected=None)
    production.answer(count=40, seed=52, output=None, outcome="refused", expected=None)
    report = production.look()
    assert report.health == "roll back"
    assert broken(report) >= {"format", "failures"}


def test_slow_answers_degrade(production: Production) -> None:
    production.answer(latency_ms=5000.0)
    assert production.look().health == "degrade"


def test_a_figure_given_with_the_record_wins_over_what_is_read_off_it(production: Production) -> None:
    production.answer(cost=1.0, outcome="refused")
    assert broken(production.look()) >= {"failures"}


def test_records_of_another_version_or_of_before_are_left_out_and_counted(production: Production) -> None:
    production.answer(count=110)
    production.answer(count=7, seed=51, version=1)
    production.answer(count=5, seed=52, at="2020-01-01T00:00:00Z")
    report = production.look()
    assert report.answers == 110
    assert report.skipped["answered by another version or model"] == 7
    assert report.skipped["asked before the promotion"] == 5


def test_few_answers_are_too_few(production: Production) -> None:
    production.answer(count=99, wrong=1.0)
    assert production.look().health == "too few answers"


def test_after_the_window_its_answers_still_say_what_they_say_and_later_ones_do_not_count(
    production: Production,
) -> None:
    production.answer(wrong=0.5)
    production.log({"at": "2099-01-01T00:00:00Z", "input": "mast keel", "output": "ships", "version": 2})
    report = production.look(days=20)
    assert (report.window_over, report.health, report.answers) == (True, "roll back", 150)
    assert report.until - report.since == pytest.approx(14 * 86_400)
    assert report.skipped["asked after the window"] == 1


def test_a_label_that_the_contract_does_not_know_is_counted_and_judges_nobody(production: Production) -> None:
    production.answer(expected="cooking")
    report = production.look()
    assert (report.labelled, report.collected) == (0, 0)
    assert report.skipped["its label is no answer by the contract"] == 150


def test_where_the_run_folder_is_gone_the_decision_record_in_mlflow_judges(
    production: Production, finished: Finished
) -> None:
    production.answer(wrong=0.5)
    folder = run_path(finished.space.folder.run)
    shutil.move(folder, folder.with_suffix(".away"))
    try:
        report = production.look()
    finally:
        shutil.move(folder.with_suffix(".away"), folder)
    assert report.health == "roll back"
    assert [check.name for check in report.checks if GONE in check.figure] == ["input drift", "label drift"]


def test_without_a_source_or_a_champion_there_is_nothing_to_look_at(watched: Path, tmp_path: Path) -> None:
    without = load(str(small_use_case(tmp_path)))
    with pytest.raises(ConfigurationError, match=r"monitor\.sources"):
        look(without, Registry("small"), Ledger())
    nobody = load(str(Production.of(tmp_path).path))
    named = nobody.model_copy(update={"use_case": nobody.use_case.model_copy(update={"name": "nobody"})})
    with pytest.raises(ConfigurationError, match="no champion yet"):
        look(named, Registry("nobody"), Ledger())


def test_no_text_of_production_stands_in_the_report(production: Production) -> None:
    production.answer(wrong=0.5)
    production.log({"at": "rhubarb", "input": "marmalade"})
    said = production.look().model_dump_json()
    assert not any(word in said for word in ("rhubarb", "marmalade", "violin", "hammer", "anchor"))


# ---------------------------------------------------------------- rows for the next trial


def test_labelled_rows_are_collected_once_in_the_shape_of_the_contract(production: Production) -> None:
    production.answer(count=120)
    assert production.look().collected == 120
    before = (production.folder / "collected.jsonl").read_bytes()
    assert production.look().collected == 0
    assert (production.folder / "collected.jsonl").read_bytes() == before
    row = production.collected()[0]
    assert set(row) == {"id", "text", "label", "created", "length"}
    assert stat.S_IMODE((production.folder / "collected.jsonl").stat().st_mode) == 0o600


def test_rows_with_a_label_are_collected_whoever_answered_and_whenever(production: Production) -> None:
    production.answer(count=3, version=1)
    production.answer(count=3, seed=51, at="2020-01-01T00:00:00Z")
    assert production.look().collected == 6


def test_a_request_without_an_id_is_known_by_its_content(production: Production) -> None:
    production.answer(count=5, id=None)
    assert (production.look().collected, production.look().collected) == (5, 0)
    assert {row["id"][:11] for row in production.collected()} == {"production-"}


def test_a_corrected_label_takes_the_place_of_the_former_one(production: Production) -> None:
    production.answer(count=5)
    production.look()
    label = production.collected()[2]["label"]
    other = "music" if label != "music" else "tools"
    production.log({"id": "50-row-2", "expected": label}, {"id": "50-row-2", "expected": other})
    assert production.look().collected == 1
    rows = production.collected()
    assert [row["label"] for row in rows if row["id"] == "50-row-2"] == [other]
    assert len(rows) == 5


def test_rows_that_the_next_trial_would_turn_away_are_not_collected(production: Production) -> None:
    production.answer(count=2, fields={})
    production.answer(count=3, seed=51, input="write to jane.doe@example.org about the violin")
    report = production.look()
    assert report.collected == 0
    assert report.skipped["not collected: missing field (length)"] == 2
    assert report.skipped["not collected: personal data (text)"] == 3


def test_a_text_that_a_trial_has_placed_is_not_collected_whatever_its_label(
    production: Production, finished: Finished
) -> None:
    """Another label for a sealed test row would be a conflict, which takes the row out of the test set."""
    row = finished.space.rows("test", ["input", "output"]).iloc[0]
    other = "music" if row["output"] != "music" else "tools"
    production.answer(count=1, input=row["input"], expected=other)
    report = production.look()
    assert report.collected == 0
    assert report.skipped["not collected: a trial has placed its text already"] == 1


def test_a_row_that_somebody_asked_to_forget_is_not_collected_again(production: Production) -> None:
    production.answer(count=2, seed=77, input="sonata choir quartet piano")
    gone = Forgotten("small", "", words_hash("sonata choir quartet piano"), "somebody", "asked", 1.0)
    Ledger().forget([gone])
    report = production.look()
    assert report.collected == 0
    assert report.skipped["not collected: somebody asked to forget it"] == 2


def test_without_collect_nothing_is_written(watched: Path, tmp_path: Path) -> None:
    production = Production.of(tmp_path, collect=None)
    production.answer()
    assert production.look().collected == 0
    assert not (tmp_path / "collected.jsonl").exists()


# ---------------------------------------------------------------- the next trial


def placed(space: Workspace) -> dict[str, str]:
    """Id of each row to its partition."""
    places: pd.DataFrame = space.folder.read_frame("partitions.parquet")
    return dict(zip(places["id"], places["partition"], strict=True))


def test_the_first_trial_need_not_wait_for_a_first_collected_row(own_home: Path, tmp_path: Path) -> None:
    space = take_data_steps(begin(Production.of(tmp_path / "case").path))
    assert data.counts(space).records_in == 400


def test_collected_rows_land_in_one_partition_stay_there_and_move_no_test_row(
    finished: Finished, watched: Path, tmp_path: Path
) -> None:
    production = Production.of(tmp_path)
    test_row = finished.space.rows("test", ["input", "output"]).iloc[0]
    production.answer(count=120)
    production.answer(count=1, seed=51, input=test_row["input"], expected=test_row["output"])
    production.look()
    assert len(production.collected()) == 120

    second = take_data_steps(begin(production.path))
    data.seal(second, Ledger())
    before, now = placed(finished.space), placed(second)
    assert {id_: now[id_] for id_ in before} == before
    mine = {id_: place for id_, place in now.items() if id_.startswith("50-")}
    assert len(mine) == 120
    assert set(mine.values()) >= {"train", "test"}
    words = second.keys.assign(partition=second.keys["id"].map(now)).groupby("words")["partition"].nunique()
    assert words.max() == 1
    trained = second.folder.file("training.jsonl").read_text()
    assert test_row["input"] not in {json.loads(line)["messages"][-2]["content"] for line in trained.splitlines()}

    production.answer(count=60, seed=53)
    production.look()
    third = placed(take_data_steps(begin(production.path)))
    assert {id_: third[id_] for id_ in now} == now
