"""The order of a job in a dialect's own words; what it cannot take is refused here, by the field of the use case."""

import re
from collections.abc import Iterator
from typing import Any

from tasks.errors import ConfigurationError
from tasks.providers.dialects import COMMON, Dialect, offering
from tasks.providers.protocol import JobRequest

GRADERS = "provider.name: openai or foundry take the graders of OpenAI"


def job_body(request: JobRequest, dialect: Dialect, name: str, extra: dict[str, Any]) -> dict[str, Any]:
    """Body of POST /fine_tuning/jobs. `extra` stands beside OpenAI's own fields. Raises ConfigurationError."""
    for where, problem, remedy in objections(request, dialect, name):
        raise ConfigurationError(where, problem, remedy)
    body = {
        "model": request.base_model,
        "training_file": request.training_file,
        "validation_file": request.validation_file,
        "seed": request.seed if dialect.seed else None,
        "suffix": request.suffix,
        "metadata": request.metadata if dialect.metadata else None,
        "method": {"type": request.method, request.method: _part(request, dialect)},
    }
    return {**{name: value for name, value in body.items() if value is not None}, **extra}


def objections(request: JobRequest, dialect: Dialect, name: str) -> Iterator[tuple[str, str, str]]:
    """(field, problem, remedy) of everything in the request that this dialect does not take."""
    if request.method not in dialect.methods:
        offered = f"{name} trains {' or '.join(dialect.methods)}; {request.method}: {offering(request.method)}"
        yield "fine_tune.method", f"{name} does not offer {request.method}", f"{offered}."
    for field, value in _given(request).items():
        if field not in dialect.common:
            remedy = dialect.instead.get(field, "Leave it out.")
            yield f"fine_tune.{field}", f"{name} does not know it", remedy
        elif value not in dialect.choices.get(field, [value]):
            yield f"fine_tune.{field}", f"{name} does not take {value}", f"Choose of {dialect.choices[field]}."
    if unknown := sorted(set(request.hyperparameters) - set(dialect.hyperparameters)):
        known = ", ".join(dialect.hyperparameters) or "none but the fields of fine_tune"
        yield "fine_tune.hyperparameters", f"{name} does not know {', '.join(unknown)}", f"It knows {known}."
    yield from _suffix_objections(request.suffix, dialect, name)
    if request.grader and dialect.graders and request.grader.get("type") not in dialect.graders:
        yield "fine_tune.grader", f"{name} grades by {', '.join(dialect.graders)} only", f"{GRADERS}."


def _suffix_objections(suffix: str | None, dialect: Dialect, name: str) -> Iterator[tuple[str, str, str]]:
    if suffix and len(suffix) > dialect.max_suffix:
        most = f"at most {dialect.max_suffix} characters" if dialect.max_suffix else "none"
        yield "fine_tune.suffix", f"{name} takes {most}", "Shorten it." if dialect.max_suffix else "Leave it out."
    elif suffix and not re.fullmatch(dialect.suffix_pattern, suffix):
        yield "fine_tune.suffix", f"{name} takes only {dialect.suffix_pattern}", "Leave out the other characters."


def _given(request: JobRequest) -> dict[str, Any]:
    return {field: getattr(request, field) for field in COMMON if getattr(request, field) is not None}


def _part(request: JobRequest, dialect: Dialect) -> dict[str, Any]:
    """What stands under the method's own name."""
    beta = {"beta": request.beta} if request.beta is not None else {}
    values = {**dialect.defaults, **_given(request), **beta, **request.hyperparameters}
    return {"hyperparameters": values, **({"grader": dict(request.grader)} if request.grader else {})}
