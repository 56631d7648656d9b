"""Names of base models: the family that a dated name belongs to, what an undated one leads to, and what is newer."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from tasks.providers.protocol import ModelInfo

# gpt-4o-2024-08-06, anthropic.claude-3-haiku-20240307-v1:0, gpt-4-0613: the date is last, but for Bedrock's version.
_DATED = re.compile(r"^(?P<family>.+?)-(?P<date>20\d{2}-\d{2}-\d{2}|20\d{6}|\d{4})(?:-v\d+(?::\w+)*)?$")


_REGION = re.compile(r"^(us|eu|apac|global|jp|au|ca|us-gov)\.(?=[^.]+\.)")  # of a Bedrock inference profile


def family(model: str) -> str:
    """The name without its date; an undated name is its family."""
    found = _DATED.match(model)
    return found["family"] if found else model


def is_dated(model: str) -> bool:
    """Whether the name says which model it is, for good."""
    return family(model) != model


def entry(model: str, models: Sequence[ModelInfo]) -> ModelInfo | None:
    """The listing's own entry of a model."""
    return next((info for info in models if info.id == model), None)


def foundation(model: str, models: Sequence[ModelInfo]) -> ModelInfo | None:
    """The entry of the model behind a Bedrock inference profile: a profile has no days of its own."""
    return entry(_REGION.sub("", model), models)


def is_listed(model: str, models: Sequence[ModelInfo]) -> bool:
    """Whether a listing has it, or has nothing at all. A listed dated model vouches for its undated name."""
    return not models or any(info.id == model or family(info.id) == model for info in models)


def resolved(requested: str, models: Sequence[ModelInfo], answered_by: str = "") -> str:
    """The dated model that a name leads to: as its answers say, or the one entry that was created with it.

    Where nothing tells, the name itself.
    """
    if is_dated(requested) or family(answered_by) == requested != answered_by:
        return requested if is_dated(requested) else answered_by
    dated = [info for info in models if is_dated(info.id) and family(info.id) == requested]
    own = entry(requested, models)
    same = [info.id for info in dated if own and own.created and info.created == own.created]
    return same[0] if len(same) == 1 else requested


def published(info: ModelInfo) -> str:
    """YYYYMMDD: as the name says, or else as the listing's entry does; empty where neither tells."""
    found = _DATED.match(info.id)
    digits = found["date"].replace("-", "") if found else ""
    if len(digits) == 8:
        return digits
    return datetime.fromtimestamp(info.created, UTC).strftime("%Y%m%d") if info.created else ""


def newer(base: ModelInfo, models: Sequence[ModelInfo]) -> list[ModelInfo]:
    """Dated models of the same family that were published after it, the newest first; none where its day is unknown."""
    since = published(base)
    same = [info for info in models if is_dated(info.id) and family(info.id) == family(base.id)]
    return sorted((info for info in same if since and published(info) > since), key=published, reverse=True)
