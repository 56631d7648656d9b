"""What the leakage check finds of each planted kind, and what it leaves alone, in 10,000 rows."""

import pytest

from tests.bench.measure import UNRELATED, Measured
from tests.bench.methods import ours
from tests.bench.targets import FALSE_POSITIVES, PRECISION, RECALL
from tests.planted.data import Plan, plant
from tests.planted.hard_negatives import HARD_NEGATIVES
from tests.planted.kinds import TEXT_KINDS


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    planted = plant(Plan(10_000), tmp_path_factory.mktemp("planted"))
    return Measured(planted.plan, ours(planted.path("train"), planted.path("test"))(), planted.truth)


@pytest.mark.parametrize("kind", TEXT_KINDS)
def test_a_planted_leak_is_found(found: Measured, kind: str) -> None:
    assert found.recall_by_kind[kind] >= RECALL[kind]


@pytest.mark.parametrize("kind", [*HARD_NEGATIVES, UNRELATED])
def test_what_unrelated_rows_share_is_no_leak(found: Measured, kind: str) -> None:
    assert found.false_positives[kind] <= FALSE_POSITIVES


def test_hardly_a_flagged_row_is_clean(found: Measured) -> None:
    assert found.precision >= PRECISION


def test_rows_that_differ_in_numbers_only_are_a_kind_of_their_own(found: Measured) -> None:
    rows = found.truth[found.truth["kind"] == "other numbers"]["judged"]
    kinds = found.flagged.set_index("judged")["kind"]
    assert set(kinds[rows]) == {"same but for numbers"}


def test_a_leak_names_the_row_that_it_comes_from(found: Measured) -> None:
    recall = found.with_sources.recall_by_kind
    assert all(share >= RECALL[kind] for kind, share in recall.items() if kind != "widespread template")
