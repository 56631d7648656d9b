"""Further prompt variants by combination: each named prompt with every value of each list of the grid."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from data_contracts.candidate import Decoding, FewShot, Prompt
from data_contracts.prompting import Grid, Prompts
from data_contracts.use_case import ResolvedUseCase, TaskKind
from tasks.errors import ConfigurationError

WHERE = "prompts.grid"
ROOM_TO_REASON = 512  # tokens; an answer's own limit, often a dozen, would cut every line of thought off
FIELDS = ("few_shot", "labels", "structured", "reasoning", "temperature")


def expand(prompts: Mapping[str, Prompt], case: ResolvedUseCase) -> dict[str, Prompt]:
    """The prompts and what the grid makes of them, by name; of two that say the same the first stays.

    A variant is called after what it changes: `descriptions+few_shot=5 similar+reasoning`. The minimal prompt is varied
    only where the grid names it, and stays what a tune is trained with. Raises ConfigurationError for what this kind of
    task cannot have.
    """
    settings = case.use_case.prompts
    if settings.grid is None:
        return {**prompts}
    _require_possible(case, settings.grid)
    varied = [made for prompt in _of(prompts, settings.grid, settings) for made in _variants(prompt, settings.grid)]
    by_digest = {prompt.digest: prompt for prompt in reversed([*prompts.values(), *varied])}
    kept = [prompt for prompt in varied if by_digest[prompt.digest] is prompt]
    return {**prompts, **{prompt.name: prompt for prompt in kept}}


def _of(prompts: Mapping[str, Prompt], grid: Grid, settings: Prompts) -> list[Prompt]:
    wanted = grid.of or [name for name in prompts if name != settings.minimal]
    known = f"There are: {', '.join(sorted(prompts))}."
    if not wanted:
        raise ConfigurationError(f"{WHERE}.of", "there is no prompt but the minimal one to vary", known)
    if missing := [name for name in wanted if name not in prompts]:
        problem = f"no such prompt in {settings.folder}: {', '.join(missing)}"
        raise ConfigurationError(f"{WHERE}.of", problem, f"{known} A file of `prompts.variants` can be named too.")
    return [prompts[name] for name in wanted]


def _variants(prompt: Prompt, grid: Grid) -> list[Prompt]:
    values: list[Sequence[Any]] = [getattr(grid, field) or [None] for field in FIELDS]
    return [_varied(prompt, dict(zip(FIELDS, combination, strict=True))) for combination in product(*values)]


def _varied(prompt: Prompt, values: Mapping[str, Any]) -> Prompt:
    """The prompt with these values, None being its own, under a name that tells those that differ."""
    own = {field: prompt.decoding.temperature if field == "temperature" else getattr(prompt, field) for field in FIELDS}
    changed = {
        field: value for field, value in values.items() if value is not None and _plain(value) != _plain(own[field])
    }
    if not changed:
        return prompt
    name = "+".join([prompt.name, *(_told(field, value) for field, value in changed.items())])
    decoding = _decoding(prompt.decoding, changed)
    layers = {field: value for field, value in changed.items() if field != "temperature"}
    return prompt.model_copy(update={**layers, "name": name, "decoding": decoding})


def _plain(value: Any) -> Any:  # noqa: ANN401 - a value of any field of the grid
    """No examples are no examples, however they would be chosen."""
    return FewShot() if isinstance(value, FewShot) and not value.count else value


def _decoding(own: Decoding, changed: Mapping[str, Any]) -> Decoding:
    room = max(own.max_tokens, ROOM_TO_REASON) if changed.get("reasoning") else own.max_tokens
    return own.model_copy(update={"temperature": changed.get("temperature", own.temperature), "max_tokens": room})


def _told(field: str, value: Any) -> str:  # noqa: ANN401 - a value of any field of the grid
    if field == "few_shot":
        return f"few_shot={value.count} {value.choose}" if value.count else "few_shot=0"
    if isinstance(value, bool):
        return field if value else f"no {field}"
    return f"{field}={value}"


def _require_possible(case: ResolvedUseCase, grid: Grid) -> None:
    """Refused rather than left out: what is impossible for one variant is so for all that the list makes."""
    kind = case.use_case.kind
    if kind is TaskKind.CLASSIFICATION:
        return
    if set(grid.labels) - {"none"}:
        problem = f"labels are listed in prompts for classification, and this is {kind.value}"
        raise ConfigurationError(f"{WHERE}.labels", problem, "Take the list out.")
    if case.contract.output_schema is None and any(grid.structured):
        problem = "`structured` needs a schema, and the contract has no `output_schema`"
        raise ConfigurationError(f"{WHERE}.structured", problem, "Add the schema, or take the list out.")
