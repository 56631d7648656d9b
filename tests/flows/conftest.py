"""One Prefect server for all tests of this folder, and settings under which a flow run takes a fraction of a second."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.ledger import Ledger
from tests.fake_clock import FakeClock
from tests.prefect_server import FAST, prefect_server


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running server's API. This process and those that it starts use it."""
    home = tmp_path_factory.mktemp("prefect")
    with prefect_server(home / "server") as api, pytest.MonkeyPatch.context() as patch:
        for name, value in {**FAST, "PREFECT_HOME": str(home / "client"), "PREFECT_API_URL": api}.items():
            patch.setenv(name, value)
        from prefect.settings import (
            PREFECT_API_URL,
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
            PREFECT_LOGGING_TO_API_ENABLED,
            temporary_settings,
        )

        # a heartbeat costs each flow run a second
        fast = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None, PREFECT_LOGGING_TO_API_ENABLED: False}
        with temporary_settings({PREFECT_API_URL: api, **fast}):
            yield api


@pytest.fixture(autouse=True, scope="module")
def own_mlflow_store() -> Iterator[None]:
    """MLflow writes the store it was told of into the environment: it must not reach the next module."""
    with pytest.MonkeyPatch.context() as patch:
        _forget_mlflow_store(patch)
        yield


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty TUNEGATE_HOME, with its own MLflow store."""
    monkeypatch.setenv("TUNEGATE_HOME", str(tmp_path / "home"))
    _forget_mlflow_store(monkeypatch)
    return tmp_path / "home"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ledger(home: Path, clock: FakeClock) -> Ledger:
    """The ledger of that home, by this clock."""
    return Ledger(clock=clock)


def _forget_mlflow_store(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("MLFLOW_TRACKING_URI", "")  # so that its absence is restored, too
    patch.delenv("MLFLOW_TRACKING_URI")
