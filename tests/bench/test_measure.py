"""What a method is credited with, and when it is stopped."""

import subprocess
import sys

import pandas as pd
import pytest

from tests.bench.measure import UNRELATED, Measured, OverLimit, watched
from tests.planted.data import Plan
from tests.planted.hard_negatives import HARD_NEGATIVES
from tests.planted.kinds import GROUP_KINDS, TEXT_KINDS

PLAN = Plan(1000)  # 200 rows of test
KINDS = [*TEXT_KINDS, *HARD_NEGATIVES, *GROUP_KINDS]
TRUTH = pd.DataFrame({"kind": KINDS * 2, "trained": range(2 * len(KINDS)), "judged": range(100, 100 + 2 * len(KINDS))})


def of_kinds(*kinds: str) -> list[int]:
    return TRUTH["judged"][TRUTH["kind"].isin(kinds)].tolist()


def measured(flagged: list[int]) -> Measured:
    return Measured(PLAN, pd.DataFrame({"judged": flagged}), TRUTH)


def test_recall_is_the_share_of_a_kind_that_is_flagged() -> None:
    found = measured([*of_kinds("exact"), of_kinds("typo")[0]]).recall_by_kind
    assert (found["exact"], found["typo"], found["excerpt"]) == (1.0, 0.5, 0.0)


def test_overall_recall_is_the_mean_over_the_kinds() -> None:
    assert measured(of_kinds(*TEXT_KINDS)).recall == 1.0
    assert measured(of_kinds("exact")).recall == pytest.approx(1 / len(TEXT_KINDS))


def test_flagged_strangers_are_false_positives() -> None:
    found = measured([*of_kinds("same form"), 0, 1]).false_positives
    unrelated = PLAN.sizes["test"] - len(TRUTH) + len(of_kinds("same customer"))
    assert (found["same form"], found["same frame"]) == (1.0, 0.0)
    assert found[UNRELATED] == pytest.approx(2 / unrelated)


def test_precision_counts_only_leaks_in_the_text() -> None:
    assert measured([*of_kinds("exact", "typo", "same frame"), *of_kinds("same customer")]).precision == 0.5


def test_a_source_counts_only_where_it_is_the_planted_one() -> None:
    exact = TRUTH[TRUTH["kind"] == "exact"]
    named = exact.assign(trained=[exact["trained"].iloc[0], -1])[["judged", "trained"]]
    assert Measured(PLAN, named, TRUTH).with_sources.recall_by_kind["exact"] == 0.5


def test_a_method_that_takes_too_long_is_stopped() -> None:
    with pytest.raises(OverLimit, match="min"):
        watched([sys.executable, "-c", "import signal; signal.pause()"], most_s=0.2)


def test_a_method_that_takes_too_much_memory_is_stopped() -> None:
    with pytest.raises(OverLimit, match="GiB"):
        watched([sys.executable, "-c", "import signal; held = b'x' * 2**28; signal.pause()"], most_mb=128)


def test_a_method_that_fails_is_no_result() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        watched([sys.executable, "-c", "raise SystemExit(3)"])
