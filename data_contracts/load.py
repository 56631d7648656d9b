"""A use case and its contract from YAML: strict, YAML 1.2, duplicate keys and aliases are errors."""

import json
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from data_contracts.candidate import Prompt
from data_contracts.contract import Contract
from data_contracts.use_case import ResolvedUseCase, UseCase
from tasks.errors import ConfigurationError

Model = TypeVar("Model", bound=BaseModel)
DEPLOYMENTS = Path(__file__).parent.parent / "deployments"
MAX_YAML_BYTES = 1_000_000
NOT_USE_CASES = {"prefect", "compose", "automations"}


def bundled() -> list[str]:
    """Names of the use cases under deployments/, of the working folder and of the project."""
    found = [*Path("deployments").glob("*.yaml"), *DEPLOYMENTS.glob("*.yaml")]
    return sorted({path.stem for path in found} - NOT_USE_CASES)


def find(name_or_path: str) -> Path:
    """The use-case file: a path, or a name under deployments/ of the working folder or of the project."""
    candidates = [Path(name_or_path)]
    if "/" not in name_or_path:
        candidates += [Path("deployments") / f"{name_or_path}.yaml", DEPLOYMENTS / f"{name_or_path}.yaml"]
    for path in candidates:
        if path.is_file():
            return path.resolve()
    raise ConfigurationError(
        name_or_path, "no such use case", f"Give a path to a use-case file, or one of: {', '.join(bundled())}."
    )


def load(name_or_path: str, overrides: dict[str, Any] | None = None) -> ResolvedUseCase:
    """Read, override (`{"split.test": 0.3}`) and check a use case and its contract."""
    path = find(name_or_path)
    plain = read_yaml(path)
    for dotted, value in (overrides or {}).items():
        _override(plain, dotted, value)
    use_case = parse(UseCase, plain, path)
    contract_path = (path.parent / use_case.contract).resolve()
    contract = parse(Contract, read_yaml(contract_path), contract_path)
    _check_kind(use_case, contract, contract_path)
    return ResolvedUseCase(use_case=use_case, contract=contract, folder=path.parent, overrides=overrides or {})


def dump(contract: Contract) -> str:
    """contract.yaml of a contract, without what is as by default."""
    yaml, stream = YAML(pure=True), StringIO()
    yaml.width = 120
    yaml.dump(contract.model_dump(mode="json", exclude_defaults=True), stream)
    return stream.getvalue()


def load_prompts(case: ResolvedUseCase) -> dict[str, Prompt]:
    """The prompts that the use case names, by name, the minimal one included."""
    folder = Path(case.resolve(case.use_case.prompts.folder))
    wanted = case.use_case.prompts.variants or sorted(path.stem for path in folder.glob("*.yaml"))
    names = [*wanted, *({case.use_case.prompts.minimal} - set(wanted))]
    return {name: _prompt(folder, name) for name in names}


def _prompt(folder: Path, name: str) -> Prompt:
    """A prompt is known by its name wherever it is shown: with two of them one prompt could stand for another."""
    path = folder / f"{name}.yaml"
    prompt = parse(Prompt, read_yaml(path), path)
    if prompt.name != name:
        problem = f"the file is called {name}, and its `name` is {prompt.name}"
        raise ConfigurationError(str(path), problem, f"Write `name: {name}` in it, or call it {prompt.name}.yaml.")
    return prompt


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping as plain Python. Aliases are refused: a few hundred bytes of them can fill the memory."""
    if not path.is_file():
        raise ConfigurationError(str(path), "no such file", "Check the path; it is relative to the file that names it.")
    if path.stat().st_size > MAX_YAML_BYTES:
        raise ConfigurationError(str(path), "is larger than 1 MB", "Rows belong in a data file, not in YAML.")
    reader = YAML(typ="safe", pure=True)
    reader.allow_duplicate_keys = False
    try:
        text = path.read_text(encoding="utf-8-sig")
        if any(type(token).__name__ == "AliasToken" for token in YAML(typ="safe", pure=True).scan(text)):
            raise ConfigurationError(str(path), "uses a YAML alias (*name)", "Write the value out.")
        content = reader.load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"{path}, line {mark.line + 1}" if mark else str(path)
        problem = str(getattr(error, "problem", None) or error).splitlines()[0]
        raise ConfigurationError(line, problem, "Mend the YAML there.") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(str(path), f"is not UTF-8 at byte {error.start}", "Save it as UTF-8.") from error
    if not isinstance(content, dict):
        raise ConfigurationError(str(path), "is not a mapping of keys to values", "See the README for an example.")
    plain: dict[str, Any] = json.loads(json.dumps(content, default=str))  # dates become text, as the schema expects
    return plain


def parse(model: type[Model], plain: dict[str, Any], path: Path) -> Model:
    """Typed form; every wrong or unknown key is named with its place."""
    try:
        return model.model_validate(plain)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']) or 'file'}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors()
        )
        remedy = "Mend these keys; `tunegate new` writes an example."
        raise ConfigurationError(str(path), problems, remedy) from None


def _override(plain: dict[str, Any], dotted: str, value: Any) -> None:  # noqa: ANN401 - any YAML value
    *parents, last = dotted.split(".")
    for key in parents:
        plain = plain.setdefault(key, {})
        if not isinstance(plain, dict):
            raise ConfigurationError(f"--set {dotted}", f"`{key}` holds no further keys", "Check the dotted name.")
    plain[last] = value


def _check_kind(use_case: UseCase, contract: Contract, path: Path) -> None:
    if use_case.kind.value == "extraction" and contract.output_schema is None:
        raise ConfigurationError(str(path), "extraction needs `output_schema`", "Add the answer's JSON Schema.")
    mapping = contract.mapping
    answers = [mapping.output, mapping.rejected, mapping.tools]
    mapped = [mapping.id, mapping.messages, mapping.input, *answers, mapping.group, mapping.created_at]
    missing = [name for name in [*mapped, *mapping.slices] if name and name not in contract.columns]
    if missing:
        raise ConfigurationError(
            str(path), f"mapping names columns that `columns` lacks: {', '.join(missing)}", "Declare them."
        )
