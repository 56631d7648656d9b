"""lineage.json: what an auditor asks of a registered version, readable wherever its artifacts are. No row text."""

from typing import Any, Literal

from pydantic import Field

from data_contracts.candidate import Candidate
from data_contracts.document import Document
from data_contracts.money import Cost
from data_contracts.records import SourceFacts

FORMAT = 1


class SourceLineage(SourceFacts):
    """A source file as the run read it."""

    sha256: str


class ExpectationLineage(Document):
    """One expectation of the contract, and how many curated rows broke it."""

    type: str
    column: str | None
    severity: str
    success: bool
    unexpected: int


class PartitionLineage(Document):
    """Rows of a partition, and the hash of their sorted (id, input, output)."""

    rows: int
    sha256: str


class DataLineage(Document):
    """Which data: `records_in = curated + duplicates + quarantined + excluded`."""

    sources: dict[str, SourceLineage]
    records_in: int
    curated: int
    duplicates: int
    quarantined: int
    excluded: int
    withheld: int
    warnings: list[str] = Field(description="What curation warned of")
    contract: str = Field(description="Name and version")
    expectations: list[ExpectationLineage]
    partitions: dict[str, PartitionLineage]
    leaks: dict[str, dict[str, int]] = Field(description="partition -> kind -> evaluation rows, as leakage.json says")


class CodeLineage(Document):
    """Which code registered the version."""

    tunegate: str
    python: str
    commit: str = Field("", description="Git commit; empty: it did not run from a checkout")
    dirty: bool | None = Field(None, description="Whether the checkout had changes; None: no checkout")
    sources_sha256: str = Field(description="Over the sorted names and bytes of the package's Python files")
    lock_sha256: str = Field("", description="Of requirements.lock; empty: none is installed beside the package")
    libraries: dict[str, str]


class PromptLineage(Document):
    """A prompt as text: every layer, with {{input}} and {{examples}} in the places of row and few-shot turns."""

    digest: str
    text_sha256: str
    registered: str = Field("", description="Its address in the prompt registry; empty: too long to stand there")


class JobLineage(Document):
    """Which job: what was bought, where, and as what it answers. Addresses without user, password and query."""

    provider: str
    base_url: str
    intent: str
    job: str
    attached: bool = Field(description="Found where an earlier run had bought it")
    model: str
    asked_as: str
    trained_tokens: int | None
    request: dict[str, Any] = Field(description="What the intent is the hash of: files, base model, hyperparameters")


class OpeningLineage(Document):
    """Which comparison, on which sealed test set."""

    test_sha256: str
    cases: int
    test_set: int
    opening: int = Field(description="The n-th verdict on this test set, 1 for the first")
    metric: str
    scores: dict[str, float]
    comparison_sha256: str


class ApprovalLineage(Document):
    """Who said yes to what, or no."""

    kind: str = Field(description="spending, promotion, promotion declined")
    sha256: str = Field(description="Of what was approved")
    amount: float | None = Field(description="USD; None: unknown, or not about money")
    by: str
    how: str | None
    note: str
    at: float = Field(description="Seconds since the epoch")


class DecisionLineage(Document):
    """Why: the verdict, and what the winner stands in the place of."""

    decision: Literal["promote", "keep", "not enough evidence"]
    winner: str
    reference: str
    replaced: Candidate | None = Field(description="The champion that the trial found; None: there was none")
    replaced_version: int | None
    reasons: list[str]
    verdict_sha256: str
    approvals: list[ApprovalLineage]


class VersionLineage(Document):
    """A version of the registered model that tells of the trial."""

    candidate: str
    kind: Literal["prompt", "tune"]
    model: str
    digest: str
    training_data: Literal["known", "unknown"]
    prompt: PromptLineage
    artifacts: dict[str, str] = Field(description="File of the version to sha256; lineage.json and lineage.sig aside")
    retold: bool = Field(description="An earlier trial made it, and its decision record is of that trial")


class Lineage(Document):
    """lineage.json: the whole chain of a trial. It names every file of the run folder, so its signature is theirs."""

    format: int = FORMAT
    use_case: str
    registered_model: str
    run: str
    started: str
    reason: str = Field("", description="Why the trial was started, where somebody said so")
    versions: dict[int, VersionLineage]
    data: DataLineage
    code: CodeLineage
    job: JobLineage | None = Field(description="None: nothing was trained")
    opening: OpeningLineage
    decision: DecisionLineage
    cost: Cost
    files: dict[str, str] = Field(description="The run folder's manifest when this was written: file to sha256")
    manifest_sha256: str = Field(description="Of these files as sorted JSON")
    logged: dict[str, str] = Field(description="File of the trial's run in MLflow to sha256; not those in folders")
