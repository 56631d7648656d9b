"""The typed model of a use-case file. Unknown keys are errors; every field says what it is for.

Paths are relative to the use-case file. Keys never stand here: `provider.api_key_env` names the variable.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from data_contracts.contract import Contract
from data_contracts.data_policy import Curation, Leakage, Source, Split
from data_contracts.evaluation import Evaluation, Judge
from data_contracts.gates import Economics, Gates
from data_contracts.operation import Approvals, Monitor, Watch
from data_contracts.prompting import ModelAt, Optimiser, Prompts
from data_contracts.provider import ProviderSettings
from data_contracts.strict import Strict

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,62}$")]


class TaskKind(StrEnum):
    """What an answer is: one label, a JSON object, or text."""

    CLASSIFICATION = "classification"
    EXTRACTION = "extraction"
    FREE_TEXT = "free_text"


METRICS: dict[TaskKind, tuple[str, ...]] = {  # the first is the default
    TaskKind.CLASSIFICATION: ("accuracy", "macro_f1", "custom"),
    TaskKind.EXTRACTION: ("field_f1", "accuracy", "custom"),
    TaskKind.FREE_TEXT: ("text_f1", "chrf", "accuracy", "judge", "custom"),
}


class FineTune(Strict):
    """What is bought."""

    enabled: bool = True
    base_model: str
    method: Literal["supervised", "dpo", "reinforcement"] = Field(
        "supervised",
        description="dpo learns from `mapping.rejected` beside the answer, reinforcement from a grader; where offered",
    )
    n_epochs: int | None = Field(None, ge=1, le=50, description="None: the provider decides")
    batch_size: int | None = Field(None, ge=1, le=256, description="None: the provider decides")
    learning_rate_multiplier: float | None = Field(None, gt=0, description="None: the provider decides")
    beta: float | None = Field(None, gt=0, le=2, description="dpo: how far from the base model; None: the provider")
    grader: dict[str, Any] | None = Field(None, description="reinforcement: the grader, in the provider's own words")
    hyperparameters: dict[str, int | float | bool | str] = Field(
        default_factory=dict, description="Further ones that the provider documents, such as lora_r"
    )
    seed: int = Field(7, ge=0, le=2_147_483_647)
    suffix: str | None = Field(None, max_length=18, description="Stands in the tuned model's name")
    generation: int = Field(1, ge=1, description="Raise it to pay for the same job once more, on purpose")
    deadline_hours: float = Field(24.0, gt=0, description="Stop waiting (not the job) after so long")
    stuck_hours: float = Field(2.0, gt=0, description="Warn when a job has not moved for so long")
    settle_s: float = Field(600.0, ge=0, description="How long to look for a job whose submission got no answer")
    when_unknown: Literal["park", "resubmit"] = Field(
        "park",
        description="No job is found for a lost answer: park asks a person; resubmit buys again, which is safe only if "
        "the provider lists a new job within settle_s",
    )
    on_cancel: Literal["keep", "cancel"] = Field(
        "keep", description="When the run is cancelled: the job goes on at the provider (keep), or is cancelled too"
    )
    delete_files: bool = Field(True, description="Delete the uploaded files at the provider once the job has ended")

    @model_validator(mode="after")
    def _grader_goes_with_reinforcement(self) -> Self:
        if (self.grader is not None) != (self.method == "reinforcement"):
            raise ValueError("fine_tune.grader goes with method: reinforcement, and with no other")
        if self.beta is not None and self.method != "dpo":
            raise ValueError("fine_tune.beta goes with method: dpo")
        return self


class Budget(Strict):
    """Money, in USD."""

    per_run: float = Field(50.0, ge=0)
    per_month: float = Field(500.0, ge=0)
    approval_above: float = Field(5.0, ge=0, description="A dearer run needs --yes or an approval in the UI")
    command_line_may_approve: bool = Field(True, description="Whether --yes grants the approval")
    approval_hours: float = Field(72.0, gt=0, description="How long a run in the UI waits, suspended, for its approval")


class TextPolicy(Strict):
    """Where row text may appear outside the run folder."""

    few_shot_in_registry: bool = Field(
        True, description="Few-shot examples, and prompts that a library wrote from train rows, stand in the registry"
    )
    excerpts_in_report: bool = Field(True, description="Failing cases are quoted in report.html")


class Schedule(Strict):
    """When the trial runs by itself."""

    cron: str
    timezone: str = "UTC"


class UseCase(Strict):
    """One task: its data, contract, candidates, gates and schedule, in one file."""

    name: Name
    title: str = ""
    description: str = ""
    kind: TaskKind
    contract: str = Field(description="Path of contract.yaml")
    source: Source
    curation: Curation = Curation()
    split: Split = Split()
    leakage: Leakage = Leakage()
    provider: ProviderSettings = ProviderSettings()
    endpoints: dict[Name, ProviderSettings] = Field(
        default_factory=dict, description="Where prompts are tried besides `provider`: another vendor, another account"
    )
    prompts: Prompts
    fine_tune: FineTune
    evaluation: Evaluation = Evaluation()
    gates: Gates = Gates()
    budget: Budget = Budget()
    economics: Economics = Economics()
    text_policy: TextPolicy = TextPolicy()
    approvals: Approvals = Approvals()
    watch: Watch = Watch()
    monitor: Monitor = Monitor()
    schedule: Schedule | None = None

    @property
    def metric(self) -> str:
        """The metric that decides."""
        return self.gates.metric or METRICS[self.kind][0]

    def provider_at(self, endpoint: str) -> ProviderSettings:
        """Settings of an endpoint by its name; empty: the one that trains."""
        return self.endpoints[endpoint] if endpoint else self.provider

    @model_validator(mode="after")
    def _endpoints_are_there(self) -> Self:
        for item in self.prompts.models:
            if item.endpoint and item.endpoint not in self.endpoints:
                raise ValueError(f"prompts.base_models: there is no endpoint {item.endpoint} under `endpoints`")
        others: list[tuple[str, Judge | Optimiser | ModelAt | None]] = [
            ("evaluation.judge", self.evaluation.judge),
            ("prompts.optimiser", self.prompts.optimiser),
            *(("watch.successors", at) for at in self.watch.successors if isinstance(at, ModelAt)),
            *(("watch.tune_on", at) for at in self.watch.tune_on),
        ]
        for where, asked in others:
            if asked and asked.endpoint and asked.endpoint not in self.endpoints:
                raise ValueError(f"{where}: there is no endpoint {asked.endpoint} under `endpoints`")
        return self

    @model_validator(mode="after")
    def _batches_have_no_clock(self) -> Self:
        asked = [self.provider, *(self.provider_at(item.endpoint) for item in self.prompts.models)]
        if self.gates.max_latency_ratio is not None and any(settings.batch for settings in asked):
            raise ValueError(
                "answers of a batch have no latency, so nobody could be promoted: set gates.max_latency_ratio to null, "
                "or provider.batch to false"
            )
        return self

    @model_validator(mode="after")
    def _optimiser_is_answered_at_once(self) -> Self:
        if self.prompts.optimiser:
            asked = [self.prompts.optimiser.endpoint, *(item.endpoint for item in self.prompts.models)]
            if any(self.provider_at(endpoint).batch for endpoint in asked):
                raise ValueError("prompts.optimiser asks in many small steps, each of which a batch API may take a day")
        return self

    @model_validator(mode="after")
    def _metric_fits_kind(self) -> Self:
        if self.metric not in METRICS[self.kind]:
            fitting = " or ".join(METRICS[self.kind])
            raise ValueError(f"gates.metric: {self.metric} is no metric of {self.kind}; set {fitting}")
        wanted = {"custom": self.evaluation.scorer, "judge": self.evaluation.judge}
        if self.metric in wanted and wanted[self.metric] is None:
            needed = {"custom": "evaluation.scorer", "judge": "evaluation.judge"}[self.metric]
            raise ValueError(f"gates.metric: {self.metric} needs {needed}")
        return self

    @model_validator(mode="after")
    def _labels_only_where_answers_are_labels(self) -> Self:
        by_label = self.split.method == "stratified" or self.split.min_per_label > 0
        if by_label and self.kind is not TaskKind.CLASSIFICATION:
            raise ValueError("split.method: stratified and split.min_per_label are for kind: classification")
        return self

    @model_validator(mode="after")
    def _given_split_has_partitions(self) -> Self:
        given = [file.partition for file in self.source.files]
        if self.split.method == "given" and not {"train", "test"} <= set(given):
            raise ValueError("split.method: given needs files with `partition: train` and `partition: test`")
        if self.split.method != "given" and any(given):
            raise ValueError("a file's `partition` counts only with split.method: given")
        return self


class ResolvedUseCase(Strict):
    """A use case with its contract, and the folder that relative paths start from."""

    use_case: UseCase
    contract: Contract
    folder: Path
    overrides: dict[str, Any] = Field(default_factory=dict)

    def resolve(self, path: str) -> str:
        """Absolute form of a path of the file; an s3:// address stays as it is."""
        return path if "://" in path else str((self.folder / path).resolve())
