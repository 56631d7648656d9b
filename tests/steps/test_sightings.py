"""What two watches of a model have to agree on before it counts: that it is gone, and when it was created."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from data_contracts.candidate import Candidate, Prompt
from data_contracts.load import load
from data_contracts.provider import ProviderSettings
from tasks.ledger import Ledger
from tasks.providers.protocol import ModelInfo
from tasks.steps import sightings
from tasks.steps.listings import Listings, Round
from tasks.steps.owned import Owned
from tasks.steps.successors import instead_of
from tasks.watch.base_models import Watched, findings
from tests.fake_clock import FakeClock
from tests.small_use_case import small_use_case

DAY_S = 86_400.0
NOW = 1_795_348_800.0  # 2026-11-22 12:00 UTC


class Listed(Listings):
    """A provider that lists what the test says."""

    def __init__(self, *models: ModelInfo) -> None:
        super().__init__()
        self.listed = models

    def models(self, settings: ProviderSettings) -> Sequence[ModelInfo]:
        return self.listed


class Weeks:
    """Daily watches of a champion that is a prompt on one model."""

    def __init__(self, folder: Path, model: str) -> None:
        fine_tune = {"base_model": "local-base-small", "enabled": False}
        self.case = load(str(small_use_case(folder, watch={"canaries": 0}, fine_tune=fine_tune))).use_case
        champion = Candidate(name="champion", kind="prompt", model=model, base_model=model, prompt=Prompt(name="p"))
        self.owned = Owned("champion", champion, self.case.provider, "", None)
        self.clock = FakeClock(NOW)
        self.round: Round

    def look(self, *models: ModelInfo) -> Watched:
        """A day later, at a provider that lists these."""
        self.clock.advance(DAY_S)
        self.round = Round(self.case, Ledger(clock=self.clock), Listed(*models))
        return sightings.watch(self.owned, self.round)

    def kinds(self, *models: ModelInfo) -> list[str]:
        watched = self.look(*models)
        return [item.finding.kind for item in findings(watched, self.round.today, self.case.watch.warn_days)]


@pytest.fixture
def weeks(own_home: Path, tmp_path: Path) -> Weeks:
    return Weeks(tmp_path, "m-2026-01-01")


def model(id_: str, created: float = 0.0) -> ModelInfo:
    return ModelInfo(id_, int(created), "them")


HERE, OTHER = model("m-2026-01-01"), model("n-2026-01-01")


def test_an_absence_is_told_at_the_second_watch_and_named_at_the_first(weeks: Weeks) -> None:
    assert weeks.kinds(HERE, OTHER) == []
    assert weeks.kinds(OTHER) == []
    assert any("retired if the next watch misses it, too" in problem for problem in weeks.round.unreachable)
    assert weeks.kinds(OTHER) == ["retired"]


def test_a_model_that_was_missed_once_and_is_back_is_not_retired_when_it_is_missed_again(weeks: Weeks) -> None:
    assert [weeks.kinds(*listed) for listed in ([HERE], [OTHER], [HERE, OTHER], [OTHER])] == [[], [], [], []]


def test_a_listing_stamped_at_each_request_never_publishes_an_alias_anew(own_home: Path, tmp_path: Path) -> None:
    weeks = Weeks(tmp_path, "m")
    assert [weeks.kinds(model("m", weeks.clock.now() + DAY_S)) for _ in range(4)] == [[], [], [], []]


def test_an_alias_is_published_anew_once_two_watches_saw_the_same_new_day(own_home: Path, tmp_path: Path) -> None:
    weeks, old, new = Weeks(tmp_path, "m"), model("m", NOW - 90 * DAY_S), model("m", NOW - 5 * DAY_S)
    assert [weeks.kinds(one) for one in (old, old, new, new)] == [[], [], [], ["alias-moved"]]


def test_an_older_model_takes_no_place_when_the_listing_has_forgotten_the_day_of_the_one_that_left(
    own_home: Path, tmp_path: Path
) -> None:
    weeks, base = Weeks(tmp_path, "gpt-4-0613"), model("gpt-4-0613", 1_686_588_896)
    older, later = model("gpt-4-0314", 1_678_604_602), model("gpt-4-1106", 1_699_228_800)
    weeks.look(base, older)

    def names(*listed: ModelInfo) -> list[str]:
        return instead_of(weeks.look(*listed).now, weeks.case.provider, weeks.round).names

    assert names(older) == []
    assert names(older, later) == ["gpt-4-1106"]
