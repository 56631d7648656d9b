"""What an audit has before it, and the form of what it says."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from data_contracts.audit import AuditLink
from data_contracts.lineage import Lineage
from data_contracts.records import json_object
from data_contracts.redaction import REDACTIONS, Redactions
from tasks.errors import TunegateError
from tasks.ledger import Ledger
from tasks.register.lineage import NAME
from tasks.register.version_record import VersionRecord
from tasks.workspace import Workspace

Model = TypeVar("Model", bound=BaseModel)
BEFORE = "the version was made before lineage was kept"
ADOPTED = "an adopted tune: no trial is behind it, adoption.json says what is known"


@dataclass(frozen=True)
class Evidence:
    """A champion's version as MLflow holds it, the ledger, and its run folder; None: that is on another machine."""

    use_case: str
    version: VersionRecord
    ledger: Ledger
    space: Workspace | None

    @property
    def run(self) -> str:
        """The trial, or adoption, that the version tells of."""
        return self.version.tags.get("tunegate.run", "")

    @cached_property
    def decision(self) -> dict[str, Any]:
        """The version's decision record; empty where it cannot be read."""
        return json_object(self.version.documents.get("decision.json", b""))

    @cached_property
    def candidate(self) -> dict[str, Any]:
        """Who answers, as the decision record says."""
        found = self.decision.get("candidate")
        return found if isinstance(found, dict) else {}

    @cached_property
    def lineage_copies(self) -> dict[str, bytes]:
        """lineage.json by the place where it was found."""
        copies = {f"artifacts/{NAME} of version {self.version.version}": self.version.documents.get(NAME)}
        if self.space and self.space.folder.file(NAME).exists():
            copies[str(self.space.folder.file(NAME))] = self.space.folder.file(NAME).read_bytes()
        return {place: content for place, content in copies.items() if content is not None}

    @cached_property
    def lineage(self) -> Lineage | None:
        """The copy that the version's tag names; else the first that can be read."""
        wanted = self.version.tags.get("tunegate.lineage_sha256")
        copies = sorted(self.lineage_copies.values(), key=lambda copy: sha256(copy).hexdigest() != wanted)
        readable = (found for copy in copies if (found := _typed(Lineage, copy)) is not None)
        return next(readable, None)

    @cached_property
    def redactions(self) -> Redactions:
        """What was taken out of the run, and of its version, at a person's request; nothing in most runs."""
        if self.space and self.space.folder.has(REDACTIONS):
            return self.space.folder.read_json(REDACTIONS, Redactions)
        copy = _typed(Redactions, self.version.documents.get(REDACTIONS, b""))
        return copy or Redactions(use_case=self.use_case, run=self.run)

    @property
    def no_lineage(self) -> str:
        """Why there is none."""
        return ADOPTED if self.version.tags.get("tunegate.role") == "adopted" else BEFORE

    @property
    def has_lineage(self) -> bool:
        """Whether the version was made when lineage was kept already, whatever is left of it."""
        return "tunegate.lineage_sha256" in self.version.tags or bool(self.lineage_copies)


def said(name: str, says: str, problems: Iterable[str], sha256: str = "") -> AuditLink:
    """A link that was checked: it holds where there are no problems."""
    found = list(dict.fromkeys(problems))
    return AuditLink(name=name, says=says, sha256=sha256, holds=not found, problem=" ".join(found))


def not_here(name: str, says: str, sha256: str = "") -> AuditLink:
    """A link that cannot be checked here; `says` tells why."""
    return AuditLink(name=name, says=says, sha256=sha256, holds=None)


def guarded(name: str, links: Callable[[], Iterator[AuditLink]]) -> Iterator[AuditLink]:
    """The links; one that says what could not be read, where a changed file stops them."""
    try:
        yield from links()
    except (TunegateError, ValueError, LookupError, TypeError, OSError) as error:
        # ValueError also is what pydantic, json and pyarrow make of damaged bytes
        problem = str(error) if isinstance(error, TunegateError) else f"It cannot be read: {type(error).__name__}."
        yield said(name, "cannot be checked", [problem])


def differing(what: str, told: object, found: object) -> Iterator[str]:
    """One problem where two that should be the same are not."""
    if told != found:
        yield f"{what}: {_short(told)} was recorded, {_short(found)} is there."


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return f"{text[:60]}..." if len(text) > 60 else text or "nothing"


def _typed(model: type[Model], content: bytes) -> Model | None:
    try:
        return model.model_validate_json(content)
    except ValidationError:
        return None
