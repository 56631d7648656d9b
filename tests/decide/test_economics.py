import pytest

from data_contracts.use_case import Economics
from tasks.decide.economics import payback
from tests.decide.contest import scores

PROMPT = scores("best-prompt", cost_per_request=0.0016)
TUNE = scores("tune-minimal", cost_per_request=0.0006)


def test_payback_is_the_one_off_cost_over_the_monthly_saving() -> None:
    economics = Economics(requests_per_month=1_000_000, data_hours=60, hourly_rate=150)
    worth = payback(TUNE, PROMPT, 1000.0, economics)
    assert worth.monthly_saving == pytest.approx(1000)
    assert worth.one_off_cost == pytest.approx(10_000)
    assert worth.payback_months == pytest.approx(10)
    assert "10.0 months, beyond the horizon of 6" in " ".join(worth.notes)


def test_hosting_is_paid_every_month() -> None:
    economics = Economics(requests_per_month=1_000_000, hosting_per_month=600)
    worth = payback(TUNE, PROMPT, 1000.0, economics)
    assert worth.monthly_saving == pytest.approx(400)
    assert worth.payback_months == pytest.approx(2.5)


@pytest.mark.parametrize("hosting", [0.0, 600.0])
def test_at_the_break_even_volume_it_pays_back_just_within_the_horizon(hosting: float) -> None:
    economics = Economics(hosting_per_month=hosting, horizon_months=4, data_hours=10, hourly_rate=100)
    volume = payback(TUNE, PROMPT, 500.0, economics).break_even_requests_per_month
    at_volume = economics.model_copy(update={"requests_per_month": volume})
    assert payback(TUNE, PROMPT, 500.0, at_volume).payback_months == pytest.approx(4)


def test_a_tune_that_costs_nothing_once_pays_back_at_once() -> None:
    assert payback(TUNE, PROMPT, 0.0, Economics(requests_per_month=10)).payback_months == 0


def test_without_a_volume_there_is_a_break_even_but_no_payback() -> None:
    worth = payback(TUNE, PROMPT, 600.0, Economics(horizon_months=6))
    assert (worth.monthly_saving, worth.payback_months) == (None, None)
    assert worth.break_even_requests_per_month == pytest.approx(100_000)
    assert any("No volume is given" in note for note in worth.notes)


@pytest.mark.parametrize(
    ("tune_cost", "hosting", "break_even"),
    [(0.002, 0.0, None), (0.0016, 10.0, None), (0.0006, 5000.0, 5_100_000)],
    ids=["dearer a request", "same price and hosting", "hosting eats the saving"],
)
def test_a_saving_that_is_none_never_pays_back(tune_cost: float, hosting: float, break_even: float | None) -> None:
    economics = Economics(requests_per_month=1_000_000, hosting_per_month=hosting)
    worth = payback(scores("tune-minimal", cost_per_request=tune_cost), PROMPT, 600.0, economics)
    assert worth.monthly_saving is not None
    assert worth.monthly_saving <= 0
    assert worth.payback_months is None
    assert worth.break_even_requests_per_month == (break_even and pytest.approx(break_even))
    assert any("never pays back" in note for note in worth.notes)


def test_an_unknown_price_stays_unknown_and_is_named() -> None:
    economics = Economics(requests_per_month=1000)
    worth = payback(scores("tune-minimal", cost_per_request=None), PROMPT, 600.0, economics)
    assert (worth.monthly_saving, worth.payback_months, worth.break_even_requests_per_month) == (None, None, None)
    assert worth.notes == ["The price of model-of-tune-minimal is unknown: no saving can be stated."]


def test_an_unknown_training_cost_leaves_the_saving_but_no_payback() -> None:
    worth = payback(TUNE, PROMPT, None, Economics(requests_per_month=1_000_000))
    assert worth.monthly_saving == pytest.approx(1000)
    assert (worth.one_off_cost, worth.payback_months, worth.break_even_requests_per_month) == (None, None, None)
    assert any("training cost is unknown" in note for note in worth.notes)
