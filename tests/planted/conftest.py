"""One voice a language, and small data with planted truth, made once."""

import pytest

from tests.planted.data import LANGUAGES, Plan, Planted, plant
from tests.planted.message import Voice


@pytest.fixture(params=LANGUAGES)
def voice(request: pytest.FixtureRequest) -> Voice:
    return Voice(LANGUAGES[request.param](), seed=5)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return plant(Plan(10_000, held_out=True), tmp_path_factory.mktemp("planted"))
