"""The README is true: every command in it runs, its Python answers, its links lead somewhere."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.command import TUNEGATE, Shell

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
UP_DEADLINE_S = 120


def commands() -> list[str]:
    """Lines of the sh blocks without their comments."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    return [line.split("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


OPERATING = [
    line for line in commands() if line.startswith("tunegate") and line.split()[1] in {"watch", "monitor", "audit"}
]
OTHERS = {"run", "up", *(line.split()[1] for line in OPERATING)}
QUICK = [line for line in commands() if line.startswith("tunegate") and line.split()[1] not in OTHERS]
MAKE = [line for line in commands() if line.startswith("make")]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A folder for the state and for what `tunegate new` writes."""
    return Shell(tmp_path_factory.mktemp("readme"))


@pytest.fixture(scope="module")
def tried(shell: Shell) -> Shell:
    """The two bundled use cases, run as the README says."""
    for name in ("order_mails", "support_intents"):
        done = shell("run", name)
        assert done.returncode == 0, done.stderr
    return shell


@pytest.mark.parametrize("command", MAKE)
def test_make_knows_the_target(command: str) -> None:
    subprocess.run([*command.split(), "--dry-run"], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.slow
@pytest.mark.parametrize("command", QUICK)
def test_a_quick_command_runs(shell: Shell, command: str) -> None:
    done = shell(*command.split()[1:])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_second_run_buys_nothing(tried: Shell) -> None:
    assert "$0.0000 in this run" in tried("run", "order_mails").stdout


@pytest.mark.slow
@pytest.mark.parametrize("command", OPERATING)
def test_a_command_for_after_the_verdict_runs_and_finds_nothing_wrong(tried: Shell, command: str) -> None:
    done = tried(*command.split()[1:])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_python_example_answers_through_the_champion(tried: Shell) -> None:
    example = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    code = example.replace("champion.predict(", "print(champion.predict(").rstrip() + ")"
    environment = {**os.environ, "TUNEGATE_HOME": str(tried.home)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tried.folder, env=environment, check=True, capture_output=True, text=True)
    assert "cash_desk" in done.stdout


@pytest.mark.slow
def test_up_shows_its_addresses_and_stops_when_asked(shell: Shell) -> None:
    environment = {**os.environ, "TUNEGATE_HOME": str(shell.home)}
    addresses = shell.home / "up.json"
    with subprocess.Popen([TUNEGATE, "up"], cwd=shell.folder, env=environment, stdout=subprocess.PIPE, text=True) as up:
        deadline = time.monotonic() + UP_DEADLINE_S
        while not addresses.exists():
            assert time.monotonic() < deadline
            assert up.poll() is None
            time.sleep(0.2)
        up.terminate()
        shown, _ = up.communicate(timeout=60)
    assert "/deployments" in shown
    assert up.returncode == 0
    assert not addresses.exists()


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)h][^)]*)\)", README))
def test_a_link_leads_to_a_file(link: str) -> None:
    assert (ROOT / link).is_file()


def test_every_command_of_the_command_line_is_in_the_readme_or_says_itself_what_it_does() -> None:
    from flows.cli import cli

    assert all(command.help for command in cli.commands.values())
    named = {line.split()[1] for line in commands() if line.startswith("tunegate")}
    assert named <= set(cli.commands)
