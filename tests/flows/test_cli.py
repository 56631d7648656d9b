"""What the `tunegate` command answers, with which exit code, and on which of its two outputs."""

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.evaluate import answer
from tasks.finetune import submit
from tasks.ledger import Ledger
from tests.command import Shell
from tests.embedded import RunningServer, embedded_server
from tests.small_use_case import small_rows, small_use_case


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "work")


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shell, dict[str, Any]]:
    """A small use case of a provider to which there is no key, checked; and what the command said."""
    folder = tmp_path_factory.mktemp("checked")
    shell = Shell(folder / "work")
    case = small_use_case(folder / "case", rows=300, provider={"name": "openai", "api_key_env": "NO_SUCH_KEY"})
    return shell, shell.json("check", case)


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[RunningServer]:
    with embedded_server(tmp_path / "provider") as server:
        yield server


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["check", "no_such_use_case"], "no such use case"),
        (["check", "support_intents", "--set", "split.tset=0.3"], "split.tset"),
        (["check", "support_intents", "--set", "split.test=much"], "split.test"),
        (["check", "support_intents", "--set", "split.test"], "--set split.test"),
        (["check", "support_intents", "--set", "split=["], "--set split=["),
        (["resume", "no-such-run"], "no such run"),
        (["resume", "no-such-run", "--found", "ftjob-1", "--absent"], "--found and --absent"),
        (["verify", "no-such-run"], "no such run"),
        (["new", "Not-A-Name"], "Not-A-Name"),
        (["check"], "USE_CASE"),
        (["chekc", "support_intents"], "chekc"),
        (["provider", "--faults", "no-such-file.yaml"], "no-such-file.yaml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_exits_with_2_and_names_what_is_wrong(shell: Shell, arguments: list[str], told: str) -> None:
    done = shell(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_use_case_file_with_an_unknown_key_exits_with_2_and_names_file_and_key(shell: Shell, tmp_path: Path) -> None:
    path = small_use_case(tmp_path / "case", splitt={"test": 0.3})
    done = shell("check", path)
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert "splitt" in done.stderr


def test_check_says_what_became_of_every_row_and_needs_no_key(checked: tuple[Shell, dict[str, Any]]) -> None:
    _, said = checked
    counts = said["counts"]
    assert counts["records_in"] == 300
    assert counts["curated"] == sum(counts[name]["rows"] for name in ("train", "validation", "test"))
    assert {item["type"]: item["success"] for item in said["expectations"]}["expect_column_values_to_be_unique"]
    assert sum(rows for kinds in said["leakage"]["found"].values() for rows in kinds.values()) == 0
    assert Path(said["folder"], "training.jsonl").exists()


def test_check_exits_with_3_on_a_leak_and_names_the_report(shell: Shell, tmp_path: Path) -> None:
    done = shell("check", _leaking_use_case(tmp_path / "case"))
    assert done.returncode == 3
    assert "2 test rows also occur in train; nothing was uploaded" in done.stderr
    [report] = shell.home.glob("runs/*/leakage_pairs.parquet")
    assert str(report) in done.stderr


def test_estimate_prices_a_trial_and_sends_no_row(shell: Shell, provider: RunningServer, tmp_path: Path) -> None:
    online = Shell(shell.folder, {"TUNEGATE_PROVIDER_URL": provider.url})
    said = online.json("estimate", small_use_case(tmp_path / "case", rows=300))
    assert said["training_cost"] > 0
    assert said["total_cost"] > said["training_cost"]
    assert {line["call"] for line in provider.log()} <= {"health", "models.list", "prices.list"}


def test_status_of_an_empty_home_lists_nothing(shell: Shell) -> None:
    done = shell("status")
    assert (done.returncode, done.stdout.count("none yet")) == (0, 3)


def test_verify_finds_nothing_in_a_run_as_it_was_written(checked: tuple[Shell, dict[str, Any]]) -> None:
    shell, said = checked
    done = shell("verify", said["run"], "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["problems"] == []


def test_verify_exits_with_1_once_a_byte_was_changed(checked: tuple[Shell, dict[str, Any]], tmp_path: Path) -> None:
    original, said = checked
    shell = Shell(tmp_path)
    shutil.copytree(original.home, shell.home)
    path = shell.home / "runs" / said["run"] / "training.jsonl"
    content = bytearray(path.read_bytes())
    content[10] ^= 1
    path.write_bytes(content)
    done = shell("verify", said["run"], "--json")
    assert done.returncode == 1
    assert ["training.jsonl" in problem for problem in json.loads(done.stdout)["problems"]] == [True]


def test_a_home_that_cannot_be_made_exits_with_75_and_names_it(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    home = tmp_path / "file" / "home"
    done = Shell(shell.folder, {"TUNEGATE_HOME": str(home)})("status")
    assert done.returncode == 75
    assert str(home) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_prefect_server_out_of_reach_exits_with_75_and_names_its_address(shell: Shell, tmp_path: Path) -> None:
    address = "http://127.0.0.1:9/api"
    offline = Shell(shell.folder, {"PREFECT_API_URL": address, "PREFECT_CLIENT_MAX_RETRIES": "0"})
    done = offline("run", small_use_case(tmp_path / "case", rows=300), "--yes")
    assert done.returncode == 75
    assert done.stderr.count(address) == 1
    assert "unset PREFECT_API_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_status_offers_to_go_on_only_with_runs_that_can(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEGATE_HOME", str(shell.home))
    ledger = Ledger()
    ledger.record_run("killed-run", "small", "started", {})
    ledger.record_run("parked-run", "small", "stopped", {"exit_code": 75, "message": "the provider is away"})
    ledger.record_run("leaky-run", "small", "stopped", {"exit_code": 3, "message": "2 rows leak"})
    done = shell("status")
    offered = {line.split()[-1] for line in done.stdout.splitlines() if "Go on with" in line}
    assert offered == {"killed-run", "parked-run"}
    assert "the provider is away" in done.stdout


def test_what_the_engine_and_the_submission_log_reaches_the_terminal_and_prefect() -> None:
    heard = logging.getLogger("tunegate")
    assert [item.log.parent for item in (answer, submit)] == [heard, heard]


def _leaking_use_case(folder: Path) -> Path:
    """Partitions as given, two texts of train again in test, written a little differently."""
    rows = small_rows(400, seed=3)
    leaked = [{**row, "id": f"{row['id']}-again", "text": f"{row['text'].upper()}!"} for row in rows[:2]]
    path = small_use_case(
        folder,
        source={"files": [{"path": f"{name}.jsonl", "partition": name} for name in ("train", "test")]},
        split={"method": "given"},
    )
    for name, part in {"train": rows[:300], "test": [*rows[300:], *leaked]}.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    return path
