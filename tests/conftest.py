"""What is dear and shared: one embedded provider and one finished trial for all tests of a session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.embedded import RunningServer, embedded_server
from tests.small_use_case import small_use_case
from tests.stepwise import Finished, judged


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The folders whose files take longest come first, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: item.path.parent.name not in ("flows", "steps", "chaos", "safety"))


@pytest.fixture(scope="session")
def shared_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A running provider. A home of one's own has intents of its own there, so nothing is found that others bought."""
    with embedded_server(tmp_path_factory.mktemp("provider")) as server:
        yield server


@pytest.fixture(scope="session")
def finished(shared_provider: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A trial of the small use case with a verdict, in a home of its own, not registered yet. For reading only."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEGATE_HOME", str(folder / "home"))
        patch.setenv("TUNEGATE_PROVIDER_URL", shared_provider.url)
        return judged(small_use_case(folder / "case"))


@pytest.fixture
def own_home(tmp_path: Path, shared_provider: RunningServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty TUNEGATE_HOME, whose provider is the shared one."""
    monkeypatch.setenv("TUNEGATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TUNEGATE_PROVIDER_URL", shared_provider.url)
    return tmp_path / "home"
