"""Nothing leaves the machine that nobody sent, and no redirect carries rows or a key anywhere."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_contracts.provider import ProviderSettings
from tasks.errors import TunegateError
from tasks.evaluate.answer import Question, answer_all
from tasks.providers.openai_wire import OpenAIWire
from tests.embedded import embedded_server
from tests.fake_clock import FakeClock
from tests.safety.order import ORDER

BODY = b'{"model": "local-base-small", "messages": [{"role": "user", "content": "a row"}]}'


class Listener:
    """Somebody else's server, who counts what he gets."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.2", 0))
        self.url = f"http://127.0.0.2:{self._socket.getsockname()[1]}/elsewhere"
        self.connections = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def elsewhere() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


class NoStore:
    def stored_answers(self, requests: object) -> dict[str, object]:
        return {}

    def store_answers(self, answers: object) -> None: ...


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_carries_nothing_elsewhere(
    status: int, tmp_path: Path, elsewhere: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.evaluate.engine.workers.OUTAGE_S", 2)  # whoever followed would find an outage there
    leads_away = {"kind": "status", "status": status, "headers": {"location": elsewhere.url}}
    rule = {"call": "*", "times": None, "happens": leads_away}
    with embedded_server(tmp_path / "provider", faults=[rule]) as server:
        provider = OpenAIWire(ProviderSettings(name="openai"), server.url, "sk-test-canary", FakeClock())
        question = Question("best-prompt", "local-base-small", "1", BODY, "hash")
        calls = (
            provider.models,
            lambda: provider.upload("rows.jsonl", b"a row"),
            lambda: provider.create_job(ORDER),
            lambda: provider.find_jobs("intent", "file-1"),
            lambda: provider.delete_file("file-1"),
            lambda: answer_all([question], {"": provider.answer_endpoint()}, NoStore(), lambda done, total: None),
        )
        for call in calls:
            with pytest.raises(TunegateError):
                call()
        assert len(server.log()) >= len(calls)
    assert elsewhere.connections == 0
