"""The embeddings client against a real socket: what is sent, what an answer must be, and what a failure means."""

from collections.abc import Iterator

import numpy as np
import pytest

from data_contracts.data_policy import Semantic
from tasks.errors import ConfigurationError, CredentialsError, ProviderRefusedError, ProviderUnavailableError
from tasks.providers.embeddings import MAX_CHARACTERS, MAX_TEXTS, Embeddings
from tests.fake_clock import FakeClock
from tests.providers.scripted_embeddings import Scripted, answer, scripted_embeddings

KEY = "sk-test-0123456789abcdef"


@pytest.fixture
def server() -> Iterator[Scripted]:
    """Its vector of a text is its length and the code of its first letter."""
    with scripted_embeddings(lambda text: [len(text), ord(text[0]), 1.0]) as scripted:
        yield scripted


def embeddings(server: Scripted, clock: FakeClock | None = None) -> Embeddings:
    return Embeddings(Semantic(base_url=server.url, model="small"), clock or FakeClock())


def error(status: int, code: str, **headers: str) -> tuple[int, dict[str, object], dict[str, str]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"error": {"message": f"no, your key {KEY} is shown", "type": "error", "code": code}}, named


def test_each_text_gets_its_own_unit_vector_in_order_whatever_the_batches(server):
    texts = [chr(65 + number % 50) * (1 + number % 7) for number in range(3 * MAX_TEXTS + 5)]
    vectors = embeddings(server).of(texts)
    expected = np.array([[len(text), ord(text[0]), 1.0] for text in texts])
    np.testing.assert_allclose(vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-6)
    assert vectors.dtype == np.float32
    assert sorted(len(body["input"]) for body in server.asked) == [5, MAX_TEXTS, MAX_TEXTS, MAX_TEXTS]


def test_a_request_names_the_model_and_asks_for_plain_numbers(server):
    embeddings(server).of(["hello"])
    assert server.asked == [{"model": "small", "input": ["hello"], "encoding_format": "float"}]


def test_a_long_text_is_cut_before_it_is_sent(server):
    embeddings(server).of(["x" * (MAX_CHARACTERS + 50)])
    assert [len(text) for text in server.texts] == [MAX_CHARACTERS]


def test_no_text_asks_nothing(server):
    assert len(embeddings(server).of([])) == 0
    assert server.asked == []


def test_an_outage_is_waited_out_by_the_clock_and_retry_after_is_kept(server):
    clock = FakeClock()
    server.faults += [error(503, "overloaded"), error(429, "rate_limit_exceeded", retry_after="30")]
    assert len(embeddings(server, clock).of(["a"])) == 1
    assert len(clock.slept) == 2
    assert clock.slept[1] >= 30


def test_an_outage_without_end_is_resumable(server):
    server.faults += [error(503, "overloaded")] * 20
    with pytest.raises(ProviderUnavailableError, match="HTTP 503"):
        embeddings(server).of(["a"])
    assert len(server.asked) == 6


@pytest.mark.parametrize(
    "body",
    [
        answer([]),
        answer([[1.0, 2.0], [1.0]]),
        answer([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]),
        answer([[1e999, 1.0], [1.0, 1.0]]),
        {"data": [{"index": 0, "embedding": [1.0]}] * 2},
        {"object": "list"},
        b"<html>busy</html>",
    ],
)
def test_an_answer_that_is_not_one_vector_for_each_text_counts_as_none(server, body):
    server.faults.append((200, body, {}))
    assert len(embeddings(server).of(["a", "b"])) == 2
    assert len(server.asked) == 2


def test_vectors_may_come_in_any_order(server):
    shuffled = {"data": [{"index": 1, "embedding": [0.0, 1.0]}, {"index": 0, "embedding": [1.0, 0.0]}]}
    server.faults.append((200, shuffled, {}))
    assert embeddings(server).of(["a", "b"]).tolist() == [[1, 0], [0, 1]]


def test_a_refusal_is_final_and_shows_no_key(server):
    server.faults.append(error(400, "bad_input"))
    with pytest.raises(ProviderRefusedError) as refused:
        embeddings(server).of(["a"])
    assert KEY not in str(refused.value)
    assert len(server.asked) == 1


def test_a_key_that_is_not_accepted_names_the_variable_to_set(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.faults.append(error(401, "invalid_api_key"))
    with pytest.raises(CredentialsError, match=r"Set OPENAI_API_KEY \(leakage.semantic.api_key_env\)"):
        embeddings(server).of(["a"])
    assert server.keys == [f"Bearer {KEY}"]


def test_a_redirect_is_not_followed(server):
    server.faults.append((307, {}, {"Location": f"{server.url}/elsewhere"}))
    with pytest.raises(ProviderRefusedError):
        embeddings(server).of(["a"])
    assert len(server.asked) == 1


def test_an_endpoint_on_this_machine_needs_no_key_and_another_does(server, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert len(embeddings(server).of(["a"])) == 1
    with pytest.raises(CredentialsError, match="OPENAI_API_KEY is not set"):
        Embeddings(Semantic(base_url="https://embeddings.example/v1", model="small"))


@pytest.mark.parametrize("address", ["http://embeddings.example/v1", "ftp://127.0.0.1/", "https://me:pw@host/v1"])
def test_an_address_that_would_give_the_rows_away_is_refused(address):
    with pytest.raises(ConfigurationError, match=r"leakage\.semantic\.base_url"):
        Embeddings(Semantic(base_url=address, model="small"))
