"""Rows taken out after a verdict because a person asked for it: what is kept of that, in hashes, never in texts."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from data_contracts.document import Document

REDACTIONS = "redactions.json"
FORGOTTEN = "forgotten"  # the reason on record wherever such a row is left out
EMPTIED = "forgotten-"  # and the sha256 of what stood there


def sha256_of(text: str) -> str:
    """By which an id is known once it must not be kept."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def token(text: str) -> str:
    """What stands in the place of an id; of a token, the token itself."""
    return text if text.startswith(EMPTIED) else f"{EMPTIED}{sha256_of(text)}"


@dataclass(frozen=True)
class Barred:
    """Rows that no trial may take any more: by the sha256 of their ids, and by the hash of their words."""

    rows: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()

    def has(self, id_: str) -> bool:
        """Whether the row of that id is one of them."""
        return bool(self.rows) and sha256_of(id_) in self.rows


class RedactionRequest(Document):
    """One request to forget, as far as it concerns a run."""

    ids: list[str] = Field(description="sha256 of each id, also of rows with the same words under another id")
    rows: int = Field(description="Records of the source, wherever curation had put them")
    by: str
    reason: str
    redacted_at: float = Field(description="Seconds since the epoch")


class RedactedFile(Document):
    """A file of the run folder that is another one now; `after` is empty where it was deleted."""

    name: str
    before: str = Field(description="sha256 as the trial wrote it, or as the request before left it")
    after: str


class RedactedArtifact(Document):
    """The same of a file that MLflow holds."""

    place: str = Field(description="run ID, or model ID of a logged model")
    name: str
    before: str
    after: str


class Redactions(Document):
    """redactions.json: why files of a run are not what they were at its verdict. counts.json stays as it was."""

    use_case: str
    run: str
    requests: list[RedactionRequest] = Field(default_factory=list)
    files: list[RedactedFile] = Field(default_factory=list, description="In the order of their change")
    artifacts: list[RedactedArtifact] = Field(default_factory=list)
    partitions: dict[str, str] = Field(
        default_factory=dict, description="Partition -> hash of its rows as they are now, by the rule of counts.json"
    )

    @property
    def sentence(self) -> str:
        """That rows went, how many, when, at whose word and why."""
        told = [
            f"{request.rows} on {datetime.fromtimestamp(request.redacted_at, UTC):%Y-%m-%d} by {request.by}"
            + (f" ({request.reason})" if request.reason else "")
            for request in self.requests
        ]
        rows = sum(request.rows for request in self.requests)
        return f"{rows} {'row was' if rows == 1 else 'rows were'} emptied after the trial: {', '.join(told)}."

    def before(self, files: Mapping[str, str]) -> dict[str, str]:
        """The files of a manifest with the sha256 that each had when the trial wrote it, in the manifest's order."""
        was = {name: digest for name, digest in files.items() if name != REDACTIONS}
        for file in reversed(self.files):
            if was.get(file.name, "") == file.after:
                was[file.name] = file.before
        return was

    def original(self, digest: str) -> str:
        """The sha256 that a file or an artifact had before any request, given the one that it has now."""
        was = {file.after: file.before for file in self.files}
        was |= {artifact.after: artifact.before for artifact in self.artifacts}
        while digest in was:
            digest = was[digest]
        return digest


class LearntModel(Document):
    """A tuned model whose training or validation file held the rows: what it learnt goes with the model alone."""

    model: str
    use_case: str
    runs: list[str] = Field(description="Trials that trained it, or found it trained")
    job: str
    provider: str
    role: Literal["champion", "challenger", "version", "none"]
    versions: list[int] = Field(default_factory=list, description="Its registered versions")
    exists: bool | None = Field(description="Whether the provider still has it; None: it could not be asked")
    partitions: list[str] = Field(description="train, validation: in which file the rows stood")
    next: str = Field(description="What to do to be rid of what it learnt")


class ForgottenInRun(Document):
    """What was done in the folder of one run."""

    run: str
    rows: int = Field(description="Rows emptied now")
    files: list[str]
    to_be_replaced: bool = Field(description="It had not ended, and a new trial has to take its place")


class Forgetting(Document):
    """What `tunegate forget` did, and what stays, and why. No text of a row, and no id."""

    use_case: str
    ids: int = Field(description="Asked for")
    same_words: int = Field(description="Rows of other ids with the same words, forgotten with them")
    rows: int = Field(description="Rows found in run folders and emptied now")
    runs: list[ForgottenInRun]
    answers: int = Field(description="Answers deleted from the ledger")
    registry: list[str] = Field(description="Files and prompt texts in MLflow that were rewritten now")
    production: list[str] = Field(
        default_factory=list, description="Files of collected rows and of logged answers that were rewritten now"
    )
    provider: list[str] = Field(description="Files deleted at the provider, and whether they were looked for since")
    models: list[LearntModel]
    changed: list[str] = Field(description="Versions that answer with other few-shot examples from now on")
    sources: list[str] = Field(description="Files of the user's own that held the rows: theirs to delete from")
    stays: list[str] = Field(description="What could not be deleted from here, and by whom it can be")
    keeps: list[str] = Field(description="What is kept on purpose: hashes, counts, figures")

    @property
    def nothing_left(self) -> bool:
        """Whether there was nothing to delete."""
        return not (self.rows or self.answers or self.registry or self.production or self.provider or self.runs)
