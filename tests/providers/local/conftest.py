from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from openai import OpenAI
from openai.types.fine_tuning import FineTuningJob

from tests.embedded import RunningServer, embedded_server
from tests.providers.local import support


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server without faults for every test that needs nothing special."""
    with embedded_server(tmp_path_factory.mktemp("provider") / "state") as running:
        yield running


@pytest.fixture(scope="package")
def _settable_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with embedded_server(tmp_path_factory.mktemp("settable") / "state") as running:
        yield running


@pytest.fixture
def settable(_settable_server: RunningServer) -> Iterator[RunningServer]:
    """A server whose settings a test may change as it likes."""
    yield _settable_server
    _settable_server.change_settings()
    support.client(_settable_server.url).models.list()  # the server takes a change over with its next request


@pytest.fixture(scope="package")
def openai(server: RunningServer) -> OpenAI:
    """The SDK on that server."""
    return support.client(server.url)


@dataclass(frozen=True)
class Tuned:
    """A finished job."""

    job: FineTuningJob

    @property
    def model(self) -> str:
        """Its model."""
        assert self.job.fine_tuned_model
        return self.job.fine_tuned_model


@pytest.fixture(scope="package")
def tuned(openai: OpenAI) -> Tuned:
    """A job that has trained on 30 rows and was validated on 6."""
    method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}}
    validation = support.upload(openai, support.training_bytes(6))
    job = support.create_job(
        openai, validation_file=validation, suffix="Intents", metadata={"intent": "abc", "run": "1"}, method=method
    )
    return Tuned(support.wait_for(openai, job.id, "succeeded", "failed", "cancelled"))
