"""The house rules hold, and each check of them bites."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from flows.environment import PREFECT
from tests import house

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
LORA_LOCK = (ROOT / "requirements-lora.lock").read_text(encoding="utf-8")
PIN = re.compile(r"^(?P<name>[\w.-]+(\[[\w,-]+\])?)==(?P<version>[\w.!+-]+)( ; [^\\]+)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")
HEAVY = {"prefect", "mlflow", "great_expectations", "pandas", "numpy", "sqlalchemy", "openai", "boto3"}

PLANTED = {
    "a step that imports Prefect's tasks": ("tasks/steps/data.py", "from tasks import prefect_tasks"),
    "a stage that imports a step": ("tasks/decide/verdict.py", "from tasks.steps.data import curate"),
    "a stage that imports a flow": ("tasks/curate/read.py", "import flows.trial"),
    "a stage that imports all flows": ("tasks/curate/read.py", "import flows"),
    "a record that imports a stage": ("data_contracts/records.py", "from tasks.partition import split"),
    "an error that imports the ledger": ("tasks/errors.py", "from tasks.ledger import Ledger"),
    "the ledger that imports the workspace": ("tasks/ledger.py", "from tasks.workspace import Workspace"),
    "a stage that imports another stage": ("tasks/evaluate/score.py", "from tasks.curate.read import read"),
    "a stage that imports the workspace": ("tasks/decide/verdict.py", "import tasks.workspace"),
    "a relative import of another stage": ("tasks/evaluate/score.py", "from ..curate import read"),
    "an import hidden in a function": ("tasks/decide/verdict.py", "def f():\n    from tasks.register import runs"),
    "a stage with Prefect": ("tasks/curate/read.py", "from prefect import task"),
    "a step with Prefect": ("tasks/steps/data.py", "import prefect.runtime"),
    "Great Expectations elsewhere": ("tasks/curate/clean.py", "import great_expectations as gx"),
    "datacontract-cli elsewhere": ("tasks/curate/validate.py", "from datacontract.data_contract import DataContract"),
    "MLflow in a flow": ("flows/doctor.py", "from mlflow import MlflowClient"),
    "boto3 in a stage": ("tasks/curate/read.py", "import boto3"),
    "the OpenAI SDK in a stage": ("tasks/finetune/submit.py", "from openai import OpenAI"),
    "the embedded provider with something of ours": (
        "tasks/providers/local/app.py",
        "from data_contracts.text import canonical_json",
    ),
    "the embedded provider imported": ("tasks/providers/embedded.py", "from tasks.providers.local import server"),
    "the product with a test's help": ("tasks/clock.py", "from tests.fake_clock import FakeClock"),
    "a module on no floor": ("tasks/helpers.py", ""),
}
LAWFUL = {
    "flows/trial.py": "from prefect import flow\nfrom tasks import prefect_tasks as stage\nimport json",
    "tasks/prefect_tasks.py": "from prefect import task\nfrom tasks import prefect_artifacts, steps",
    "tasks/steps/data.py": "from tasks.curate.read import read\nfrom tasks.workspace import Workspace",
    "tasks/curate/validate.py": "def f():\n    import great_expectations",
    "tasks/curate/read.py": "from tasks.curate.clean import clean\nfrom tasks.storage import Storage",
    "tasks/providers/connect.py": "from openai import OpenAI\nfrom tasks.home import home",
    "tasks/providers/local/app.py": "from tasks.providers.local.store import Store",
    "data_contracts/load.py": "from tasks.errors import ConfigurationError",
}


def test_every_import_goes_down_and_every_vendor_stays_in_its_room() -> None:
    assert house.violations(ROOT) == []


@pytest.mark.parametrize("violation", PLANTED)
def test_the_check_finds(violation: str, tmp_path: Path) -> None:
    file, source = PLANTED[violation]
    _write(tmp_path, {**LAWFUL, file: source})
    module = file.removesuffix(".py").replace("/", ".")
    assert [problem.split()[0] for problem in house.violations(tmp_path)] == [module]


def test_the_check_finds_nothing_where_nothing_is_wrong(tmp_path: Path) -> None:
    _write(tmp_path, LAWFUL)
    assert house.violations(tmp_path) == []


def test_no_file_is_longer_than_300_lines(tmp_path: Path) -> None:
    assert house.too_long(ROOT) == []
    _write(tmp_path, {"tasks/long.py": "x = 1\n" * 301, "tasks/short.py": "x = 1\n" * 300})
    assert house.too_long(tmp_path) == ["tasks.long"]


def test_no_module_with_a_flow_postpones_its_annotations(tmp_path: Path) -> None:
    assert house.flows_with_postponed_annotations(ROOT) == []
    postponed, decorated = "from __future__ import annotations\n", "def f(): ...\n"
    files = {
        "flows/plain.py": f"{postponed}{decorated}",
        "flows/called.py": f"{postponed}@flow(name='f')\n{decorated}",
        "flows/bare.py": f"{postponed}@prefect.flow\nasync {decorated}",
        "flows/other.py": f"@flow\n{decorated}",
    }
    _write(tmp_path, files)
    assert house.flows_with_postponed_annotations(tmp_path) == ["flows.bare", "flows.called"]


def test_the_help_page_imports_nothing_heavy() -> None:
    command = [sys.executable, "-X", "importtime", str(Path(sys.executable).with_name("tunegate")), "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in shown.stderr.splitlines()}
    assert "Usage: tunegate" in shown.stdout
    assert "click" in imported, "the measurement itself works"
    assert imported & HEAVY == set()


def test_prefects_table_in_pyproject_says_what_the_commands_set() -> None:
    assert dict(_variables("PREFECT", PROJECT["tool"]["prefect"])) == PREFECT


@pytest.mark.parametrize("lock", [LOCK, LORA_LOCK], ids=["requirements.lock", "requirements-lora.lock"])
def test_a_lock_holds_names_versions_and_hashes_and_nothing_else(lock: str) -> None:
    assert _foreign_lines(lock) == []
    assert _without_hash(lock) == []


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://mirror.example/simple",
        "thing @ https://files.example/thing-1.0-py3-none-any.whl \\",
        "-e /home/somebody/thing",
        "thing @ file:///home/somebody/thing \\",
        "--find-links /var/wheels",
        "thing>=1.0 \\",
    ],
)
def test_the_lock_check_finds_an_address_a_path_or_a_loose_version(line: str) -> None:
    assert _foreign_lines(f"{LOCK}{line}\n") == [line]


def test_the_lock_check_finds_a_package_without_a_hash() -> None:
    assert _without_hash(f"{LOCK}thing==1.0 \\\nother==2.0 \\\n    --hash=sha256:{'0' * 64}\n") == ["thing"]


def test_the_lock_pins_every_dependency_within_its_bounds() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    light = [item for name, group in extras.items() if name != "lora" for item in group]
    always = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]
    assert _loose([*always, *light], LOCK) == []
    assert _loose([*always, *extras["lora"]], LORA_LOCK) == []


def test_both_locks_pin_the_same_release_of_what_they_share() -> None:
    one, other = _versions(LOCK), _versions(LORA_LOCK)
    assert {name: (one[name], other[name]) for name in one.keys() & other.keys() if one[name] != other[name]} == {}


def _write(root: Path, files: dict[str, str]) -> None:
    for name, source in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)


def _variables(prefix: str, table: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Prefect's environment variables for a table of settings."""
    for key, value in table.items():
        name = f"{prefix}_{key.upper()}"
        if isinstance(value, dict):
            yield from _variables(name, value)
        else:
            yield name, str(value).lower()


def _versions(lock: str) -> dict[str, str]:
    return {canonicalize_name(pin["name"].split("[")[0]): pin["version"] for pin in _pins(lock)}


def _loose(wanted: list[str], lock: str) -> list[str]:
    pinned = _versions(lock)
    return [
        str(requirement)
        for requirement in map(Requirement, wanted)
        if not requirement.specifier.contains(pinned.get(canonicalize_name(requirement.name), "0"))
    ]


def _pins(lock: str) -> list[re.Match[str]]:
    return [found for line in lock.splitlines() if (found := PIN.match(line))]


def _foreign_lines(lock: str) -> list[str]:
    return [line for line in lock.splitlines() if not PIN.match(line) and not HASH.match(line)]


def _without_hash(lock: str) -> list[str]:
    lines = lock.splitlines()
    following = [*lines[1:], ""]
    found = ((PIN.match(line), after) for line, after in zip(lines, following, strict=True))
    return [pin["name"] for pin, after in found if pin and not HASH.match(after)]
