"""Ways for a test to have the finished trial to itself, and to see what the provider was asked."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tasks import workspace
from tasks.ledger import Ledger
from tasks.steps import data
from tasks.workspace import Workspace
from tests.embedded import RunningServer
from tests.small_use_case import small_use_case
from tests.stepwise import Finished, begin, take_data_steps


@pytest.fixture
def copy(finished: Finished, own_home: Path) -> Workspace:
    """The finished trial's run folder and ledger, in this test's own home, which the provider takes for the same."""
    home = finished.space.folder.path.parents[1]
    shutil.copytree(home / "runs", own_home / "runs")
    shutil.copy(home / "ledger.db", own_home / "ledger.db")
    (own_home / "provider").mkdir()
    shutil.copy(home / "provider" / "identity", own_home / "provider" / "identity")
    return workspace.reopen(finished.space.folder.run)


@pytest.fixture
def asked(shared_provider: RunningServer) -> Callable[[], Any]:
    """`with asked() as calls:` collects the log lines of what the provider was asked inside."""

    @contextmanager
    def collect() -> Iterator[list[dict[str, Any]]]:
        calls: list[dict[str, Any]] = []
        before = len(shared_provider.log())
        yield calls
        calls += shared_provider.log()[before:]

    return collect


@pytest.fixture
def sealed(own_home: Path, tmp_path: Path) -> Workspace:
    """A run about to search its prompts."""
    path = small_use_case(tmp_path / "case", rows=150, split={"min_test": 20})
    space = take_data_steps(begin(path, train=False))
    data.seal(space, Ledger())
    return space
