"""A mistake in a use-case file or a contract stops before anything is read, and is named with its place and its fix."""

from pathlib import Path

import pytest

import data_contracts
from data_contracts.load import DEPLOYMENTS, load
from tasks.errors import ConfigurationError
from tests.curate.bad_configurations import CASE, CONTRACT, MISTAKES, Mistake

BUNDLED = Path(data_contracts.__file__).parent


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A bundled use case and its contract, in a folder of their own."""
    case = (DEPLOYMENTS / "support_intents.yaml").read_text(encoding="utf-8")
    case = case.replace("../data_contracts/support_intents/contract.yaml", f"{tmp_path}/{CONTRACT}")
    contract = (BUNDLED / "support_intents" / CONTRACT).read_text(encoding="utf-8")
    texts = {CASE: case.replace("../data_contracts", str(BUNDLED)), CONTRACT: contract}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return {name: tmp_path / name for name in texts}


def test_the_files_load_as_they_are(files: dict[str, Path]):
    assert load(str(files[CASE])).contract.name == "support_intents"


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_named_with_its_file_its_place_and_its_fix(mistake: Mistake, files: dict[str, Path]):
    path = files[mistake.file]
    text = path.read_text(encoding="utf-8")
    assert mistake.old in text
    path.write_text(text.replace(mistake.old, mistake.new, 1), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load(str(files[CASE]))
    assert mistake.place in str(caught.value) and mistake.fix in str(caught.value)
    assert str(path.parent) in str(caught.value)
    assert caught.value.exit_code == 2
