"""The geometry of the report's drawings: everything within its frame, and where its figure says."""

from itertools import pairwise

import pytest

from data_contracts.evidence import Calibration, CalibrationBin, Interval
from data_contracts.worth import Payback, PaybackPoint
from tasks.register import drawings
from tasks.register.drawings import HEIGHT, WIDTH, Scale, tracks
from tests.register.filled import filled
from tests.register.page import with_changes
from tests.stepwise import Finished


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.702, 0.704), (-310, 1160), (1e-6, 3e-6), (5, 5e6)])
def test_an_axis_has_a_few_round_numbers_within_its_ends(low: float, high: float) -> None:
    ticks = Scale(low, high, 0, 100).ticks
    assert 3 <= len(ticks) <= 10
    assert low - 1e-9 * abs(high) <= ticks[0] < ticks[-1] <= high * (1 + 1e-9)


def test_intervals_share_one_scale_with_the_line_they_are_held_against() -> None:
    first, second = tracks([Interval(value=1, low=0, high=2), Interval(value=4, low=3, high=5)], [2])
    assert 0 < first.low < first.value < first.high == first.lines[0] < second.low < second.high < 100


def test_an_interval_without_any_width_has_a_place_too() -> None:
    (only,) = tracks([Interval(value=1, low=1, high=1)])
    assert only.low == only.value == only.high == 50


def test_candidates_stand_by_cost_and_quality_and_no_two_labels_lie_on_each_other(finished: Finished) -> None:
    def alike(comparison: dict[str, list[dict[str, object]]]) -> None:
        for item in comparison["candidates"]:
            item["metric"] = {"value": 0.9, "low": 0.85, "high": 0.95}

    chart = drawings.cost_against_quality(with_changes(finished.record, "comparison", alike))
    labels = sorted(dot.label_y for dot in chart.dots)
    assert min(after - before for before, after in pairwise(labels)) >= drawings.LINE
    by_cost = sorted(finished.record.comparison.candidates, key=lambda item: item.cost_per_request)
    assert [dot.name for dot in sorted(chart.dots, key=lambda dot: dot.x)] == [item.candidate.name for item in by_cost]
    assert all(0 < dot.x < WIDTH and 0 < dot.high < dot.y < dot.low < HEIGHT for dot in chart.dots)


def test_without_any_price_there_is_no_drawing_of_cost(finished: Finished) -> None:
    def forget(comparison: dict[str, list[dict[str, object]]]) -> None:
        for item in comparison["candidates"]:
            item["cost_per_request"] = None

    assert drawings.cost_against_quality(with_changes(finished.record, "comparison", forget)) is None


def test_a_bin_that_is_as_often_right_as_it_says_stands_on_the_diagonal() -> None:
    bins = [CalibrationBin(confidence=share, accuracy=share, cases=cases) for share, cases in ((0.2, 1), (0.8, 100))]
    chart = drawings.reliability(Calibration(cases=101, expected_error=0, brier=0, bins=bins))
    across, up = chart.x.scale, chart.y.scale
    for dot in chart.dots:
        assert (dot.x - across.start) / (across.end - across.start) == pytest.approx(
            (dot.y - up.start) / (up.end - up.start), abs=1e-3
        )
    assert chart.dots[0].low < chart.dots[1].low, "its radius grows with its cases"


def test_payback_stands_where_the_curve_crosses_zero(finished: Finished) -> None:
    curve = drawings.payback(filled(finished.record).verdict.payback, horizon_months=6)
    across, zero = curve.x.scale, curve.zero
    points = [tuple(map(float, point.split(","))) for point in curve.line.split()]
    before, after = max(x for x, y in points if y > zero), min(x for x, y in points if y < zero)
    assert before < curve.payback < after
    assert curve.horizon == pytest.approx((across.start + across.end) / 2)
    assert len(curve.band.split()) == 2 * len(points)


def test_what_never_pays_back_or_after_the_curve_has_no_mark() -> None:
    points = [PaybackPoint(month=month, value=-9, low=-10, high=-8) for month in (0, 1)]
    found = Payback(
        monthly_saving=-1, one_off_cost=9, payback_months=None, break_even_requests_per_month=None, curve=points
    )
    curve = drawings.payback(found, horizon_months=6)
    assert (curve.payback, curve.horizon) == (None, None)
    assert drawings.payback(found.model_copy(update={"curve": []}), 6) is None
