"""`tunegate promote`, `tunegate rollback` and their flows: the champion moves, on record, and people are told."""

import getpass
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import commands, moving, promotion
from tasks.errors import ConfigurationError
from tasks.ledger import Ledger
from tasks.register.mlflow_registry import Registry
from tests.flows.listener import Listener, listening
from tests.small_use_case import small_use_case
from tests.stepwise import Finished


@pytest.fixture
def listener(prefect_api: str) -> Iterator[Listener]:
    with listening() as server:
        server.block("moving")
        yield server


@pytest.fixture(scope="module")
def registered(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the best prompt (1) and then the tune (2) of a trial became champion."""
    home = tmp_path_factory.mktemp("moving")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEGATE_HOME", str(home))
        registry = Registry("small")
        registry.register(finished.record, registry.open_trial(finished.record.run, {}))
    return home


@pytest.fixture
def use_case(registered: Path, own_home: Path, tmp_path: Path, listener: Listener) -> str:
    own_home.mkdir(mode=0o700)
    for name in ("mlflow.db", "ledger.db"):
        shutil.copy(registered / name, own_home / name)
    return str(small_use_case(tmp_path / "case", approvals={"notify": ["custom-webhook/moving"]}))


def champion() -> int:
    return int(Registry("small").client.get_model_version_by_alias("tunegate.small", "champion").version)


def test_a_rollback_at_the_command_line_is_on_record_shown_and_told(
    use_case: str, listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    content = moving.rollback(use_case, None, None, "it answers nonsense")
    moving.show(content)
    assert champion() == 1
    move = Ledger().moves("small")[-1]
    assert (move.action, move.by, move.by_kind) == ("rollback", getpass.getuser(), "command line")
    shown = capsys.readouterr().out
    assert "Version 1 is champion of small" in shown
    assert "rollback: version 1 in the place of version 2" in shown
    assert "that trial's verdict promote" in shown
    assert [said["title"] for said in listener.heard] == ["small: version 1 is champion"]
    assert "it answers nonsense" in listener.heard[0]["text"]


def test_a_name_that_is_given_is_marked_as_what_it_is(use_case: str) -> None:
    moving.rollback(use_case, None, "Ada", "")
    assert Ledger().moves("small")[-1].by_kind == "self-declared"


def test_a_promotion_without_a_reason_is_wrong_usage(use_case: str) -> None:
    with pytest.raises(ConfigurationError, match="needs a reason") as wrong:
        moving.promote(use_case, 1, None, "")
    assert wrong.value.exit_code == 2


def test_the_flows_move_it_too_and_leave_a_page(use_case: str) -> None:
    content = promotion.rollback(use_case, reason="it answers nonsense", your_name="Ada")
    assert champion() == 1
    promotion.promote(use_case, reason="mended", your_name="Ada", version=2)
    assert champion() == 2
    [said] = commands.status()["champions"]
    assert (said["version"], said["by"], said["reason"]) == (2, "Ada", "mended")
    assert [move.action for move in Ledger().moves("small")][-2:] == ["rollback", "promote"]
    with get_client(sync_client=True) as client:
        pages = client.request("POST", "/artifacts/filter", json={"sort": "CREATED_DESC"}).json()
    shown = [page["data"] for page in pages if (page["key"] or "").endswith("champion")]
    assert "# Version 2 is champion of small" in shown[0]
    assert "- by Ada (self-declared): mended" in shown[0]
    assert content["move"]["version"] == 1


@pytest.mark.parametrize("flow", [promotion.promote, promotion.rollback], ids=["promote", "rollback"])
def test_its_form_describes_every_field_and_demands_name_and_reason(flow: Any) -> None:
    fields = flow.parameters.properties
    assert list(fields) == ["use_case", "reason", "your_name", "version"]
    assert all(field["description"] for field in fields.values())
    assert flow.parameters.required == ["use_case", "reason", "your_name"]
    assert "Prefect does not check it" in fields["your_name"]["description"]


def test_a_champion_moves_also_where_nobody_can_be_told(use_case: str, caplog: pytest.LogCaptureFixture) -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}), caplog.at_level(logging.WARNING, "tunegate"):
        moving.rollback(use_case, None, None, "the server is away")
    assert champion() == 1
    assert "custom-webhook/moving was not told" in caplog.text
