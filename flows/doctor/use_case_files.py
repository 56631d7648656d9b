"""The files of one use case: no key in them, and the source that they name can be read."""

from collections.abc import Iterator
from pathlib import Path

from data_contracts.load import load_prompts
from data_contracts.use_case import ResolvedUseCase
from flows.doctor.finding import Finding, broken, fine
from tasks.errors import ConfigurationError, TunegateError
from tasks.providers.redact import redact


def secrets_in_files(case: ResolvedUseCase) -> Iterator[Finding]:
    """A key belongs into the environment: these files are shared and committed."""
    texts = {"the use-case file": case.use_case, "contract.yaml": case.contract}
    try:
        prompts = load_prompts(case)
    except ConfigurationError as error:
        yield broken("prompts", f"{error.where}: {error.problem}", error.remedy)
        prompts = {}
    documents = {**texts, **{f"prompt {name}": prompt for name, prompt in prompts.items()}}
    plain = {name: document.model_dump_json() for name, document in documents.items()}
    told = [name for name, text in plain.items() if redact(text) != text]
    for name in told:
        fix = "Take it out, set it as the variable that provider.api_key_env names, and replace the key at its issuer."
        yield broken("secrets", f"{name} holds a key in clear", fix)
    if not told:
        yield fine("secrets", f"no key in {len(plain)} files of {case.use_case.name}")


def source(case: ResolvedUseCase) -> Iterator[Finding]:
    """Every file, glob or prefix of the source leads somewhere."""
    from tasks.storage import Storage

    storage = Storage(case.use_case.source.endpoint_url)
    for file in case.use_case.source.files:
        path = case.resolve(file.path)
        try:
            found = storage.expand(path)
        except TunegateError as error:
            remedy = getattr(error, "remedy", "Check source.files.")
            yield broken("source", str(error).removesuffix(remedy).strip(), remedy)
        else:
            yield fine("source", f"{file.path}: {_files(found)}")


def _files(found: list[str]) -> str:
    return f"{len(found)} files" if len(found) > 1 else Path(found[0]).name
