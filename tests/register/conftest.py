"""An MLflow store of each test's own: its tables are made once a session, and copied."""

import shutil
from pathlib import Path

import pytest

from tasks.register.store import Store


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database file of a store in which nothing stands yet."""
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEGATE_HOME", str(folder))
        Store("nothing").client.search_experiments()
    return folder / "mlflow.db"


@pytest.fixture
def home(own_home: Path, empty_store: Path) -> Path:
    """A TUNEGATE_HOME with an empty store in it."""
    own_home.mkdir(mode=0o700)
    shutil.copy(empty_store, own_home / "mlflow.db")
    return own_home
