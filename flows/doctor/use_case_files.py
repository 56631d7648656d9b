"""The files of one use case: right, without a key in them, and their source can be read."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from data_contracts.load import load, load_prompts
from data_contracts.use_case import ResolvedUseCase
from flows.doctor.finding import Finding, broken, fine
from tasks.errors import ConfigurationError, TunegateError
from tasks.providers.redact import redact


def read(path: Path) -> tuple[ResolvedUseCase | None, Finding]:
    """The use case with its contract and prompts, if all of them are right."""
    try:
        case = load(str(path))
        load_prompts(case)
    except ConfigurationError as error:
        return None, broken("use case", f"{error.where}: {error.problem}", error.remedy)
    return case, fine("use case", f"{path}, its contract and its prompts are right")


def files_of(case: ResolvedUseCase) -> list[Path]:
    """Contract and prompts."""
    folder = Path(case.resolve(case.use_case.prompts.folder))
    return [Path(case.resolve(case.use_case.contract)), *sorted(folder.glob("*.yaml"))]


def secrets(paths: Sequence[Path]) -> Iterator[Finding]:
    """A key belongs into the environment: these files are shared and committed."""
    told = [path for path in paths if _holds_a_secret(path)]
    for path in told:
        fix = "Take it out, set it as the variable that provider.api_key_env names, and replace the key at its issuer."
        yield broken("secrets", f"{path} holds a key in clear", fix)
    if not told:
        yield fine("secrets", f"no key in {len(paths)} files of the use case")


def source(case: ResolvedUseCase) -> Iterator[Finding]:
    """Every file, glob or prefix of the source leads somewhere; what the monitor collects may come later."""
    from tasks.curate.read import named
    from tasks.storage import Storage

    storage = Storage(case.use_case.source.endpoint_url)
    for file in case.use_case.source.files:
        try:
            found = named(case, file, storage)
        except TunegateError as error:
            remedy = getattr(error, "remedy", "Check source.files.")
            yield broken("source", str(error).removesuffix(remedy).strip(), remedy)
        else:
            files = f"{len(found)} file{'s' * (len(found) > 1)}" if found else "the monitor has collected no row yet"
            yield fine("source", f"{file.path}: {files}")


def _holds_a_secret(path: Path) -> bool:
    text = path.read_text(encoding="utf-8", errors="replace")
    return redact(text) != text
