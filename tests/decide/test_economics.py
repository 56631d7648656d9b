import pytest

from data_contracts.evidence import Interval
from data_contracts.gates import Economics
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


# ---------------------------------------------------------------- ranges

MONTHLY = Economics(requests_per_month=1_000_000, requests_uncertainty=0.2, data_hours=20, hourly_rate=100)
SAVING = Interval(value=0.001, low=0.0008, high=0.0012)


def test_the_published_example_pays_back_in_a_little_more_than_six_months() -> None:
    saved = Interval(value=0.0016, low=0.0016, high=0.0016)  # 800 tokens at 0.002 USD per 1,000
    worth = payback(TUNE, PROMPT, 10_000.0, Economics(requests_per_month=1_000_000), saved)
    assert worth.payback_months == pytest.approx(6.25)


def test_three_days_of_work_for_93_dollars_a_month_come_back_after_39_months() -> None:
    saved = Interval(value=93 / 10_000, low=93 / 10_000, high=93 / 10_000)
    economics = Economics(requests_per_month=10_000, data_hours=24, hourly_rate=150, horizon_months=3)
    worth = payback(TUNE, PROMPT, 0.0, economics, saved)
    assert worth.payback_months == pytest.approx(38.7, abs=0.05)
    assert worth.break_even_requests_per_month == pytest.approx(129_032, abs=1)


def test_the_monthly_saving_ranges_over_volume_and_saving_with_hosting_taken_off() -> None:
    hosted = MONTHLY.model_copy(update={"hosting_per_month": 300.0})
    worth = payback(TUNE, PROMPT, 1000.0, hosted, SAVING)
    assert worth.requests_per_month == Interval(value=1_000_000, low=800_000, high=1_200_000)
    found = worth.monthly_saving_range
    assert found is not None
    assert (found.low, found.value, found.high) == pytest.approx((340, 700, 1140))
    assert (worth.saving_per_request, worth.hosting_per_month, worth.data_cost) == (SAVING, 300.0, 2000.0)


def test_payback_has_a_best_and_a_worst_end() -> None:
    worth = payback(TUNE, PROMPT, 1000.0, MONTHLY, SAVING)
    assert worth.payback_range == pytest.approx((3000 / 1440, 3000 / 640))
    assert "3.0 months, within the horizon of 6 (2.1 at best, 4.7 at worst)" in " ".join(worth.notes)


def test_payback_that_may_never_come_has_no_worst_end() -> None:
    worth = payback(TUNE, PROMPT, 1000.0, MONTHLY, Interval(value=0.001, low=-0.0001, high=0.002))
    assert worth.payback_range == (pytest.approx(3000 / 2400), None)
    assert "never at worst" in " ".join(worth.notes)


def test_a_loss_that_might_be_a_saving_has_no_payback_but_a_best_end() -> None:
    worth = payback(TUNE, PROMPT, 1000.0, MONTHLY, Interval(value=-0.0001, low=-0.001, high=0.0005))
    assert worth.payback_months is None
    assert worth.payback_range == (pytest.approx(3000 / 600), None)
    assert any("At the best end of the ranges it would pay back in 5.0 months" in note for note in worth.notes)


def test_a_sure_loss_has_no_range_of_payback() -> None:
    worth = payback(TUNE, PROMPT, 1000.0, MONTHLY, Interval(value=-0.001, low=-0.002, high=-0.0005))
    assert (worth.payback_months, worth.payback_range) == (None, None)
    assert worth.monthly_saving_range is not None
    assert worth.monthly_saving_range.low == pytest.approx(-2400)  # most is lost where most is asked


def test_the_measured_saving_goes_before_the_difference_of_the_means() -> None:
    assert payback(TUNE, PROMPT, 0.0, MONTHLY, SAVING.model_copy(update={"value": 0.0011})).monthly_saving == 1100


# ---------------------------------------------------------------- the curve


def test_the_curve_starts_at_the_one_off_cost_and_crosses_zero_at_the_payback() -> None:
    curve = payback(TUNE, PROMPT, 8000.0, MONTHLY, SAVING).curve
    assert len(curve) == 25
    assert (curve[0].month, curve[0].value) == (0, -10_000)
    assert (curve[-1].month, curve[-1].value) == (pytest.approx(10), pytest.approx(0))
    assert all(point.low <= point.value <= point.high for point in curve)


@pytest.mark.parametrize(
    ("training", "saving", "end"),
    [(1000.0, 0.001, 6), (58_000.0, 0.001, 24), (1000.0, -0.001, 6)],
    ids=["pays back before the horizon", "pays back far beyond it", "never pays back"],
)
def test_the_curve_ends_at_the_horizon_or_the_payback_but_not_too_late(
    training: float, saving: float, end: float
) -> None:
    worth = payback(TUNE, PROMPT, training, MONTHLY, Interval(value=saving, low=saving, high=saving))
    assert worth.curve[-1].month == pytest.approx(end)


@pytest.mark.parametrize(
    ("training", "economics", "cost"),
    [(None, MONTHLY, 0.0006), (1000.0, Economics(), 0.0006), (1000.0, MONTHLY, None)],
    ids=["training cost unknown", "no volume", "price unknown"],
)
def test_without_its_figures_there_is_no_curve(
    training: float | None, economics: Economics, cost: float | None
) -> None:
    worth = payback(scores("tune-minimal", cost_per_request=cost), PROMPT, training, economics)
    assert (worth.curve, worth.payback_range) == ([], None)
    assert worth.notes


# ---------------------------------------------------------------- what is said


def test_what_is_paid_once_is_said_by_its_parts() -> None:
    notes = " ".join(payback(TUNE, PROMPT, 1000.0, MONTHLY, SAVING).notes)
    assert "3,000.00 USD is paid once: 1,000.00 USD for training, 2,000.00 USD for 20 hours of data work" in notes
    assert "At 800,000 to 1,200,000 requests a month it saves 1,000.00 USD (640.00 USD to 1,440.00 USD)" in notes
    assert "From 500,000 requests a month on it pays back within 6 months" in notes
    assert "(saving 0.000800 to 0.001200)" in notes


def test_a_tune_without_any_one_off_cost_says_so() -> None:
    worth = payback(TUNE, PROMPT, 0.0, Economics(requests_per_month=10))
    assert any(note.startswith("Nothing is paid once") for note in worth.notes)


def test_hosting_that_eats_the_saving_is_named_with_the_loss() -> None:
    economics = Economics(requests_per_month=1_000_000, hosting_per_month=1500)
    notes = " ".join(payback(TUNE, PROMPT, 600.0, economics).notes)
    assert "costs 500.00 USD a month more than the prompt at 1,000,000 requests, 1,500.00 USD for hosting" in notes


# ---------------------------------------------------------------- notes that agree


def test_where_a_price_is_unknown_no_note_states_a_saving_or_asks_for_a_volume() -> None:
    worth = payback(scores("tune-minimal", cost_per_request=None), PROMPT, 600.0, Economics(), SAVING)
    assert worth.saving_per_request is None
    assert worth.notes == [
        "The price of model-of-tune-minimal is unknown: no saving can be stated.",
        "No volume is given.",
    ]


def test_a_model_that_answered_nothing_is_not_said_to_have_an_unknown_price() -> None:
    gone = scores("tune-minimal", cost_per_request=None, outcomes={"rejected": 500})
    notes = payback(gone, PROMPT, 600.0, Economics(requests_per_month=10)).notes
    assert notes == ["No request to model-of-tune-minimal was answered: no saving can be stated."]


def test_what_never_pays_back_is_not_said_to_be_unknown() -> None:
    dear = scores("tune-minimal", cost_per_request=0.002)
    said = " ".join(payback(dear, PROMPT, None, Economics(requests_per_month=1000)).notes)
    assert "never pays back" in said
    assert "no payback can be stated" not in said
