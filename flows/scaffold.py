"""`tunegate new NAME`: a use case of one's own, with sample rows that pass `tunegate check`."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from data_contracts import publish
from data_contracts.load import NOT_USE_CASES
from data_contracts.use_case import Name
from tasks.errors import ConfigurationError

TEMPLATES = Path(__file__).parent / "templates"
PLACEHOLDER = "my_use_case"
RESERVED = NOT_USE_CASES | {"schemas"}  # other things lie there
SCHEMAS = ("use_case.json", "contract.json", "prompt.json")  # what the files' first lines point editors to


def scaffold(name: str, folder: Path = Path()) -> list[Path]:
    """Write deployments/NAME.yaml and data_contracts/NAME/ under `folder`; the files written, sorted.

    Raises ConfigurationError for a name that no use case may have, and where one of the files is there already.
    """
    _check(name)
    files = dict(_files(name, folder))
    taken = sorted(path for path in files if path.exists())
    if taken:
        raise ConfigurationError(str(taken[0]), "is there already", "Choose another name; nothing was written.")
    files |= {path: content for path, content in _schemas(folder) if not path.exists()}
    for path, content in files.items():
        _write(path, content)
    return sorted(files)


def _check(name: str) -> None:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        remedy = "Use 2 to 63 lower-case letters, digits and underscores, a letter first: support_intents."
        raise ConfigurationError(name, "is no name of a use case", remedy) from None
    if name in RESERVED:
        raise ConfigurationError(name, "is the name of something else", "Choose another name.")


def _write(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        problem = f"cannot be written ({error.strerror})"
        raise ConfigurationError(str(path), problem, "Run it in a folder of your own.") from error


def _files(name: str, folder: Path) -> Iterator[tuple[Path, str]]:
    for template in (path for path in TEMPLATES.rglob("*") if path.is_file()):
        content = template.read_text(encoding="utf-8").replace(PLACEHOLDER, name)
        if template.name == "use_case.yaml":
            yield folder / "deployments" / f"{name}.yaml", content
        else:
            yield folder / "data_contracts" / name / template.relative_to(TEMPLATES), content


def _schemas(folder: Path) -> Iterator[tuple[Path, str]]:
    published = publish.schemas()
    for name in SCHEMAS:
        yield folder / "data_contracts" / "schemas" / name, published[name]
