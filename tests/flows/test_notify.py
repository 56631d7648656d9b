"""Messages through Prefect's own notification blocks, to a real listener."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_contracts.load import load
from data_contracts.use_case import UseCase
from flows import notify
from tests.flows.listener import KEY, Listener, listening
from tests.small_use_case import small_use_case


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as server:
        yield server


@pytest.fixture
def webhook(listener: Listener, prefect_api: str) -> str:
    """The name of a block that leads to the listener."""
    return listener.block("team")


def telling(folder: Path, *blocks: str) -> UseCase:
    return load(str(small_use_case(folder, approvals={"notify": list(blocks)}))).use_case


def test_a_message_reaches_whoever_the_block_leads_to(tmp_path: Path, listener: Listener, webhook: str) -> None:
    notify.tell(telling(tmp_path, webhook), "small waits", "for a yes")
    assert listener.heard == [{"title": "small waits", "text": "for a yes"}]


def test_a_receiver_that_fails_is_a_warning_and_its_key_stays_out_of_it(
    tmp_path: Path, listener: Listener, webhook: str, caplog: pytest.LogCaptureFixture
) -> None:
    listener.answers = 500
    with caplog.at_level(logging.WARNING, "tunegate"):
        notify.tell(telling(tmp_path, webhook), "small waits", "for a yes")
    assert f"{webhook} was not told: HTTPStatusError" in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("custom-webhook/nobody", "create it in its UI under Blocks"),
        ("slack-webhook/nobody", "create it in its UI under Blocks"),
        ("team", "type/name"),
        ("secret/word", "no notification block"),
    ],
)
def test_a_name_that_leads_to_nobody_says_what_to_do_and_the_others_are_told(
    name: str, says: str, tmp_path: Path, listener: Listener, webhook: str, caplog: pytest.LogCaptureFixture
) -> None:
    from prefect.blocks.system import Secret

    Secret(value="x").save("word", overwrite=True)
    case = telling(tmp_path, name, webhook)
    with caplog.at_level(logging.WARNING, "tunegate"):
        notify.tell(case, "small waits", "for a yes")
    assert says in caplog.text
    assert len(listener.heard) == 1
    [(found, problem)] = notify.problems(case)
    assert found == name
    assert says in problem


def test_a_server_out_of_reach_is_a_warning(tmp_path: Path, webhook: str, caplog: pytest.LogCaptureFixture) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}), caplog.at_level(logging.WARNING, "tunegate"):
        notify.tell(telling(tmp_path, webhook), "small waits", "for a yes")
    assert f"{webhook} was not told" in caplog.text
