"""The embedded provider as a run meets it: there when it is needed, and itself whatever its port."""

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest

from data_contracts.provider import ProviderSettings
from tasks.errors import ConfigurationError, CredentialsError, ProviderUnavailableError
from tasks.evaluate.answer import Question, answer_all, request_hash
from tasks.ledger import Ledger
from tasks.providers import embedded
from tasks.providers.connect import connect
from tasks.providers.embedded import Embedded
from tests.embedded import embedded_server


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh TUNEGATE_HOME; the server that a test starts in it ends with the test."""
    monkeypatch.setenv("TUNEGATE_HOME", str(tmp_path))
    monkeypatch.delenv(embedded.URL_VARIABLE, raising=False)
    yield tmp_path
    if (tmp_path / "provider" / "server.json").exists():
        os.kill(running(tmp_path)["pid"], signal.SIGKILL)


def running(home: Path) -> dict[str, int]:
    return dict(json.loads((home / "provider" / "server.json").read_text()))


def calls(home: Path, call: str) -> int:
    lines = (home / "provider" / "requests.jsonl").read_text().splitlines()
    return sum(json.loads(line)["call"] == call for line in lines)


def test_the_first_call_starts_it_and_the_next_find_it(home):
    connect(ProviderSettings()).models()
    first = running(home)
    connect(ProviderSettings()).models()
    assert running(home) == first


def test_those_who_come_together_start_one(home):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: connect(ProviderSettings()).models(), range(4)))
    assert calls(home, "models.list") == 4
    assert (home / "provider" / "server.log").read_text().count('"pid"') == 1


def test_it_gets_neither_the_keys_nor_the_terminal_of_whoever_starts_it(home, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-somebody")
    connect(ProviderSettings()).models()
    pid = running(home)["pid"]
    assert b"sk-secret" not in Path(f"/proc/{pid}/environ").read_bytes()
    assert os.getsid(pid) == pid


def test_killed_under_a_run_it_comes_back_with_its_files_and_is_still_the_same(home):
    provider = connect(ProviderSettings())
    file_id = provider.upload("kept.jsonl", b"{}\n")
    killed = running(home)
    os.kill(killed["pid"], signal.SIGKILL)
    assert provider.find_file("kept.jsonl", b"{}\n") == file_id
    assert running(home)["pid"] != killed["pid"]
    assert connect(ProviderSettings()).base_url == provider.base_url


def test_its_identity_belongs_to_the_state_folder_not_to_the_port(tmp_path):
    here, there = Embedded(ProviderSettings(), tmp_path / "a"), Embedded(ProviderSettings(), tmp_path / "b")
    assert here.base_url == Embedded(ProviderSettings(), tmp_path / "a").base_url
    assert here.base_url.startswith("embedded:")
    assert here.base_url != there.base_url


def test_a_port_that_another_program_has_taken_over_is_not_it(home):
    with embedded_server(home / "another") as other:
        (home / "provider").mkdir()
        (home / "provider" / "server.json").write_text(json.dumps({"url": other.url, "pid": 1}))
        connect(ProviderSettings()).models()
        assert running(home)["url"] != other.url


def test_a_server_named_in_the_environment_is_used_and_none_is_started(home, monkeypatch):
    with embedded_server(home / "named") as server:
        monkeypatch.setenv(embedded.URL_VARIABLE, server.url)
        connect(ProviderSettings()).models()
        assert len(server.log("models.list")) == 1
    assert not (home / "provider" / "server.json").exists()


def test_one_that_cannot_start_says_where_its_log_is(home):
    (home / "provider").mkdir()
    (home / "provider" / "settings.yaml").write_text("no_such_setting: 1")
    with pytest.raises(ProviderUnavailableError, match=r"code 2 while starting.*server\.log"):
        Embedded(ProviderSettings(), home / "provider")._process.url()


def test_prices_come_from_its_own_table_and_what_it_does_not_know_is_unknown(home):
    provider = connect(ProviderSettings())
    base = provider.price("local-base-small", tuned=False)
    tune = provider.price("ft:local-base-small-2026-06-01:embedded:x:abc", tuned=True)
    other = provider.price("gpt-4.1-mini", tuned=False)
    assert base.input and tune.input and base.training
    assert tune.input > base.input
    assert (other.input, other.output, other.training) == (None, None, None)


def test_its_answers_come_through_the_engine_whatever_happens_on_the_way(home, monkeypatch):
    faults = [
        {"call": "chat.create", "after": after, "times": 2, "happens": happens}
        for after, happens in ((2, {"kind": "reset"}), (6, {"kind": "status", "status": 503}), (9, {"kind": "replace"}))
    ]
    with embedded_server(home / "named", faults) as server:
        monkeypatch.setenv(embedded.URL_VARIABLE, server.url)
        provider = connect(ProviderSettings())
        asked = [question(provider.base_url, number) for number in range(20)]
        answers = answer_all(asked, {"": provider.answer_endpoint()}, Ledger(f"sqlite:///{home}/l.db"), lambda *_: None)
        assert len(server.log("chat.create")) == 26
    assert {answer.outcome for answer in answers} == {"answered"}
    assert all(answer.prompt_tokens > 0 for answer in answers)


def question(identity: str, number: int) -> Question:
    messages = [{"role": "user", "content": f"Where is parcel {number}? Labels: lost, late."}]
    body = orjson.dumps({"model": "local-base-small", "messages": messages, "temperature": 0})
    return Question("best-prompt", "local-base-small", str(number), body, request_hash(identity, body))


# ------------------------------------------------------------ connecting


def test_a_missing_key_is_named_by_its_variable(monkeypatch):
    monkeypatch.delenv("ACME_KEY", raising=False)
    with pytest.raises(CredentialsError, match="ACME_KEY is not set"):
        connect(ProviderSettings(name="openai", api_key_env="ACME_KEY"))


@pytest.mark.parametrize(
    "base_url",
    [
        "http://api.example.com/v1",
        "http://localhost.example.com/v1",
        "https://user:password@example.com/v1",
        "https://example.com/v1?key=1",
        "ftp://example.com",
        "example.com/v1",
        "https://[::1",
    ],
)
def test_an_address_that_would_expose_key_or_data_is_refused(base_url, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    with pytest.raises(ConfigurationError, match=r"provider\.base_url") as error:
        connect(ProviderSettings(name="openai", base_url=base_url))
    assert "password" not in str(error.value).replace("user name or password", "")


@pytest.mark.parametrize("base_url", ["https://example.com/v1/", "http://127.0.0.1:8000/v1", "http://localhost/v1"])
def test_https_and_this_machine_are_fine(base_url, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    assert connect(ProviderSettings(name="openai", base_url=base_url)).base_url == base_url.rstrip("/")


def test_a_base_url_does_not_go_with_the_embedded_provider():
    with pytest.raises(ConfigurationError, match="does not go with"):
        connect(ProviderSettings(base_url="https://example.com/v1"))
