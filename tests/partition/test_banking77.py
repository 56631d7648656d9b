"""What the published split of a well-known data set holds, in texts of some ten words."""

import csv
from pathlib import Path

import pytest

from data_contracts.data_policy import Leakage
from tests.partition.leaky import Leaky, leaky

BANKING77 = Path(__file__).resolve().parents[3] / "shared" / "data" / "banking77"


@pytest.fixture(scope="module")
def published() -> Leaky:
    if not BANKING77.is_dir():
        pytest.skip("the optional public data is not here")
    texts, labels = {}, {}
    for name in ("train", "test"):
        with (BANKING77 / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        texts[name] = [row["text"] for row in rows]
        labels[name] = [row["category"] for row in rows]
    return leaky(texts, output=labels)


def test_about_a_tenth_of_its_test_rows_stand_in_train_or_nearly_so(published: Leaky) -> None:
    report = published.find(Leakage(), labelled=True).report
    assert (report.train_rows, report.test_rows) == (10_003, 3_080)
    assert report.found["test"]["same words"] == 25
    assert 200 <= report.found["test"]["near"] + report.found["test"]["shared passages"] <= 350
    assert report.label_agreement is not None
    assert report.label_agreement > 0.9
    assert sum(report.label_in_input.values()) == 71


def test_it_can_be_used_once_the_train_side_is_withheld(published: Leaky) -> None:
    passed = published.check(Leakage(on_leak="withhold"))
    assert 250 <= passed.report.withheld <= 600
    assert Leaky(passed.partitions, published.inputs).pairs(Leakage()) == []
