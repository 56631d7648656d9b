"""What a person sees of a job while it is waited for, and of an estimate before it is paid."""

from typing import Any
from uuid import uuid4

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from data_contracts.money import CostPart, Estimate, Job, JobEvent, Price
from tasks.prefect_artifacts import Bar, JobView, duration, estimate
from tests.fake_clock import FakeClock

LOADED = {"step": 40.0, "total_steps": 100.0, "train_loss": 0.8123, "valid_loss": 0.9}


class Watched(JobView):
    """A view whose bar is a list of what it was told."""

    def __init__(self) -> None:
        self.clock, self.shown = FakeClock(), list[dict[str, Any]]()
        super().__init__(Bar("fine-tune", lambda **told: self.shown.append(told), None), self.clock)

    @property
    def said(self) -> str:
        return str(self.shown[-1]["description"])

    def look(self, raw_state: str, **fields: Any) -> None:
        self.on_job(
            Job(
                id="ftjob-1",
                state="running",
                raw_state=raw_state,
                base_model="base",
                training_file="file-1",
                created_at=0.0,
                **fields,
            )
        )

    def hear(self, message: str = "", level: str = "info", **metrics: float) -> None:
        self.on_event(JobEvent(id=message, created_at=0.0, level=level, message=message, metrics=metrics))


def test_a_job_shows_state_step_losses_and_both_times() -> None:
    view = Watched()
    view.clock.advance(720)
    view.look("running", estimated_finish=view.clock.now() + 1800)
    view.hear(**LOADED)
    assert view.said == (
        "fine-tune: running, step 40 of 100, loss 0.812, validation loss 0.900, 12 min so far, about 30 min left"
    )
    assert (view.shown[-1]["completed"], view.shown[-1]["total"]) == (40, 100)


def test_an_estimated_finish_that_has_passed_promises_nothing() -> None:
    view = Watched()
    view.look("running", estimated_finish=view.clock.now() - 5)
    assert "left" not in view.said


def test_each_change_of_the_providers_own_state_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    view = Watched()
    with caplog.at_level("INFO", logger="tunegate"):
        for state in ("validating_files", "queued", "queued", "running", "running"):
            view.look(state)
    assert [line.split()[-1] for line in caplog.messages] == ["validating_files", "queued", "running"]


def test_words_are_lines_and_figures_move_the_bar_only(caplog: pytest.LogCaptureFixture) -> None:
    view = Watched()
    with caplog.at_level("INFO", logger="tunegate"):
        view.hear("Job ftjob-1 is paused: waiting until it goes on", level="warn")
        view.hear("Step 40/100", **LOADED)
    assert [(item.levelname, item.message.split()[-1]) for item in caplog.records] == [("WARNING", "on")]


@pytest.mark.parametrize(("seconds", "said"), [(45, "45 s"), (600, "10 min"), (9000, "2.5 h")])
def test_a_time_span_has_the_digits_that_matter(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_an_estimate_is_a_table_by_part_with_its_sum_its_warnings_and_where_the_prices_come_from() -> None:
    price = Price(model="base", input=1.0, output=2.0, training=None, source="a list", as_of="2026-11-22")
    parts = [
        CostPart(part="prompt search", requests=30, tokens=1000, cost=0.5, price=price),
        CostPart(part="training", tokens=5000, cost=None, price=price),
    ]
    page = estimate(
        Estimate(
            training_examples=10,
            training_tokens=5000,
            training_epochs=3,
            training_cost=None,
            answers=30,
            answer_tokens=1000,
            answer_cost=0.5,
            total_cost=None,
            hours=2.0,
            detectable_difference=0.12,
            warnings=["The price of base (training) is unknown."],
            parts=parts,
        )
    )
    assert page.startswith("# unknown in all")
    assert "| prompt search | base | 30 | 1,000 | $1.00 in, $2.00 out / 1M tokens | $0.50 |" in page
    assert "| training | base |  | 5,000 | unknown / 1M tokens | unknown |" in page
    for told in ("about 2.0 h", "12.0 points", "- The price of base", "a list, 2026-11-22"):
        assert told in page


# ------------------------------------------------------------ a server that is away


def test_a_server_that_is_away_stops_no_bar_and_is_asked_again_only_after_a_while(
    prefect_api: str, caplog: pytest.LogCaptureFixture
) -> None:
    away = {PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES: 0}
    bar = Bar("answers", lambda **told: None, uuid4())
    with temporary_settings(away):
        for done in (1, 2, 3):
            bar.show(done, 3, now=True)
    assert [record.message for record in caplog.records if record.name == "tunegate"] == [
        "prefect    the run goes on and shows less: ConnectError"
    ]


def test_a_bar_that_somebody_deleted_in_the_ui_stops_nothing(
    prefect_api: str, caplog: pytest.LogCaptureFixture
) -> None:
    Bar("answers", lambda **told: None, uuid4()).show(1, 3, now=True)
    assert "shows less: PrefectHTTPStatusError" in caplog.text
