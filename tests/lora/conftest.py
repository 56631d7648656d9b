from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.embedded import RunningServer, embedded_server
from tests.lora import tickets, tiny_model

MISSING = [name for name in ("torch", "transformers", "peft", "trl", "datasets") if find_spec(name) is None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever makes a tiny model needs torch and its company; the rest runs everywhere."""
    if MISSING:
        skip = pytest.mark.skip(reason=f"needs {', '.join(MISSING)}: `make test-lora`")
        for item in items:
            if "tiny" in getattr(item, "fixturenames", ()):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a base model that knows nothing yet."""
    return tiny_model.make_tiny_model(tmp_path_factory.mktemp("tiny") / "base", tickets.texts(tickets.labelled(180)))


def settings(source: Path | str, **machine: Any) -> dict[str, Any]:
    """Settings of a server with that model as `tiny`."""
    model = {"source": str(source), **tiny_model.LEARNS_FROM_NOTHING}
    return {"lora": {"models": {"tiny": model}, "rows_at_once": 16, **machine}}


@pytest.fixture(scope="session")
def server(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that can train and ask the tiny model."""
    with embedded_server(tmp_path_factory.mktemp("provider") / "state", settings=settings(tiny)) as running:
        yield running
