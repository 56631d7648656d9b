"""Use cases from YAML: what is bundled loads, and what is wrong is named with its place."""

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from data_contracts.load import DEPLOYMENTS, bundled, load, load_prompts, read_yaml
from tasks.errors import ConfigurationError
from tests.small_use_case import small_use_case

BUNDLED = Path(__file__).parents[2] / "data_contracts"
CONTRACTS_AND_PROMPTS = sorted([*BUNDLED.glob("*/contract.yaml"), *BUNDLED.glob("*/prompts/*.yaml")])
YAML_FILES = [*(DEPLOYMENTS / f"{name}.yaml" for name in bundled()), *CONTRACTS_AND_PROMPTS]
HEADER = "# yaml-language-server: $schema="


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[str, str], Path]:
    """A copy of a bundled use-case file in which one text is replaced."""
    original = (DEPLOYMENTS / "support_intents.yaml").read_text(encoding="utf-8")
    original = original.replace("../data_contracts", str(BUNDLED))

    def replace(old: str, new: str) -> Path:
        assert old in original
        path = tmp_path / "mine.yaml"
        path.write_text(original.replace(old, new, 1), encoding="utf-8")
        return path

    return replace


def test_the_bundled_use_cases_are_found_by_name() -> None:
    assert bundled() == ["order_mails", "support_intents"]


@pytest.mark.parametrize("name", bundled())
def test_a_bundled_use_case_loads_with_its_contract_prompts_and_rows(name: str) -> None:
    case = load(name)
    assert case.use_case.name == case.contract.name == name
    assert case.use_case.prompts.minimal in load_prompts(case)
    assert all(Path(case.resolve(file.path)).is_file() for file in case.use_case.source.files)


def test_a_prompt_file_under_another_name_than_its_own_is_refused_with_both(tmp_path: Path) -> None:
    path = small_use_case(tmp_path)
    prompts = tmp_path / "prompts"
    (prompts / "improved.yaml").write_text((prompts / "described.yaml").read_text())
    with pytest.raises(ConfigurationError) as refused:
        load_prompts(load(str(path)))
    assert refused.value.where.endswith("improved.yaml")
    assert "called improved, and its `name` is described" in refused.value.problem
    assert "`name: improved`" in refused.value.remedy


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_bundled_file_names_its_schema_and_satisfies_it(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith(HEADER)
    schema = json.loads((path.parent / first.removeprefix(HEADER)).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(read_yaml(path))


def test_a_use_case_may_live_anywhere(changed: Callable[[str, str], Path]) -> None:
    case = load(str(changed("test: 0.25", "test: 0.3")))
    assert case.use_case.split.test == 0.3
    assert Path(case.resolve(case.use_case.contract)) == BUNDLED / "support_intents" / "contract.yaml"


def test_an_unknown_key_is_an_error_that_names_it(changed: Callable[[str, str], Path]) -> None:
    with pytest.raises(ConfigurationError, match=r"split\.tset") as caught:
        load(str(changed("test: 0.25", "tset: 0.25")))
    assert caught.value.exit_code == 2


def test_an_unknown_key_is_marked_by_the_published_schema(changed: Callable[[str, str], Path]) -> None:
    schema = json.loads((BUNDLED / "schemas" / "use_case.json").read_text(encoding="utf-8"))
    with pytest.raises(jsonschema.ValidationError, match="tset"):
        jsonschema.Draft202012Validator(schema).validate(read_yaml(changed("test: 0.25", "tset: 0.25")))


def test_a_duplicate_key_is_an_error_with_its_line(changed: Callable[[str, str], Path]) -> None:
    with pytest.raises(ConfigurationError, match=r'mine\.yaml, line \d+: found duplicate key "alpha"'):
        load(str(changed("alpha: 0.05", "alpha: 0.05\n  alpha: 0.01")))


def test_an_alias_is_an_error(changed: Callable[[str, str], Path]) -> None:
    with pytest.raises(ConfigurationError, match="alias"):
        load(str(changed("alpha: 0.05", "alpha: &level 0.05\n  min_score: *level")))


def test_no_means_no_as_text_and_not_false(changed: Callable[[str, str], Path]) -> None:
    assert load(str(changed("suffix: support-intents", "suffix: no"))).use_case.fine_tune.suffix == "no"


def test_an_override_reaches_a_nested_key_and_is_kept_on_record() -> None:
    case = load("support_intents", {"split.test": 0.3, "gates.alpha": 0.01})
    assert (case.use_case.split.test, case.use_case.gates.alpha) == (0.3, 0.01)
    assert case.overrides == {"split.test": 0.3, "gates.alpha": 0.01}


def test_an_override_of_an_unknown_key_is_an_error_that_names_it() -> None:
    with pytest.raises(ConfigurationError, match=r"gates\.alfa"):
        load("support_intents", {"gates.alfa": 0.01})


def test_an_override_below_a_plain_value_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="holds no further keys"):
        load("support_intents", {"kind.name": "x"})


def test_an_unknown_use_case_is_an_error_that_lists_the_bundled_ones() -> None:
    with pytest.raises(ConfigurationError, match="order_mails, support_intents"):
        load("no_such_case")


def test_a_contract_that_maps_an_undeclared_column_is_an_error(changed: Callable[[str, str], Path]) -> None:
    contract = (BUNDLED / "support_intents" / "contract.yaml").read_text(encoding="utf-8")
    path = changed(f"{BUNDLED}/support_intents/contract.yaml", "contract.yaml")
    (path.parent / "contract.yaml").write_text(contract.replace("group: customer", "group: account"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="account"):
        load(str(path))


@pytest.mark.parametrize(("name", "metric"), [("support_intents", "field_f1"), ("order_mails", "macro_f1")])
def test_a_metric_of_another_kind_is_an_error_that_names_those_that_fit(name: str, metric: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{metric} is no metric of .*accuracy"):
        load(name, {"gates.metric": metric})
