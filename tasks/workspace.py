"""A run as a stage finds it again, in whatever process: its folder, its use case as it was at the start, its rows."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.candidate import Candidate, Prompt
from data_contracts.load import load, load_prompts
from data_contracts.provider import ProviderSettings
from data_contracts.records import EXAMPLE_COLUMNS, KEY_COLUMNS, PARTITIONS, Partitions
from data_contracts.redaction import REDACTIONS
from data_contracts.trial import TrialOptions, TrialRef
from data_contracts.use_case import ResolvedUseCase, TaskKind
from tasks.errors import ConfigurationError
from tasks.home import run_path
from tasks.ledger import Ledger
from tasks.prompting.few_shot import FewShots
from tasks.prompting.prompt import Renderer
from tasks.providers.connect import connect, connect_for_prices
from tasks.providers.protocol import Provider
from tasks.run_folder import RunFolder, TamperedFileError

CURATED = "curated.parquet"
PLACE = ["id", "given_partition", "partition", "reason"]
SHOT_COLUMNS = ("id", "input", "messages", "output")
STAMP = "%Y%m%d-%H%M%S"
EXAMPLES, CHAMPION_EXAMPLES = "examples.parquet", "champion_examples.parquet"
CHAMPION = "champion.json"


@dataclass(frozen=True)
class FoundChampion:
    """The champion as a trial found it. `settings`: of the endpoint that it names, where the use case has none such."""

    candidate: Candidate
    version: int | None
    settings: ProviderSettings | None = None


@dataclass(frozen=True)
class Edge:
    """What a run touches outside its folder."""

    provider: Provider
    ledger: Ledger
    endpoints: Mapping[str, Provider] = field(default_factory=dict)  # by their names in the use-case file
    prices_only: bool = False  # without keys: who has which model cannot be asked

    def at(self, endpoint: str) -> Provider:
        """Who answers there; empty: the provider that trains."""
        return self.endpoints[endpoint] if endpoint else self.provider

    def knowing(self, endpoint: str, settings: ProviderSettings) -> "Edge":
        """With one endpoint more."""
        provider = connect_for_prices(settings) if self.prices_only else connect(settings)
        return replace(self, endpoints={**self.endpoints, endpoint: provider})


@dataclass(frozen=True)
class Workspace:
    """One run's folder and what is read from it."""

    folder: RunFolder

    @cached_property
    def case(self) -> ResolvedUseCase:
        """The use case as it was when the run started, and the endpoint of a champion that answers elsewhere."""
        started, found = self.folder.read_json("use_case.json", ResolvedUseCase), self.champion
        if found is None or found.settings is None:
            return started
        return _with_endpoint(started, found.candidate.endpoint, found.settings)

    @property
    def champion(self) -> FoundChampion | None:
        """The champion as the evaluation first found it; None before that, and where there was none."""
        plain = json.loads(self.folder.read_bytes(CHAMPION)) if self.folder.has(CHAMPION) else {"champion": None}
        if plain["champion"] is None:
            return None
        settings = plain.get("settings")  # absent in a run of before they were kept
        return FoundChampion(
            Candidate.model_validate(plain["champion"]),
            plain.get("version"),
            ProviderSettings.model_validate(settings) if settings else None,
        )

    def keep_champion(self, found: FoundChampion | None) -> None:
        """Fix who the champion is: one that moves meanwhile does not change the question."""
        plain: dict[str, Any] = {"champion": None}
        if found:
            settings = found.settings.model_dump(mode="json") if found.settings else None
            plain = {"champion": found.candidate.model_dump(), "version": found.version, "settings": settings}
        self.folder.write_json(CHAMPION, plain)
        self.__dict__.pop("case", None)  # which may know one endpoint more from now on

    def knowing(self, endpoint: str, settings: ProviderSettings) -> "Workspace":
        """The same run for whoever has to ask at one endpoint more; nothing is written."""
        other = Workspace(self.folder)
        other.__dict__["case"] = _with_endpoint(self.case, endpoint, settings)
        return other

    @cached_property
    def options(self) -> TrialOptions:
        """What the run was started with."""
        return self.folder.read_json("options.json", TrialOptions)

    @cached_property
    def prompts(self) -> dict[str, Prompt]:
        """The prompts as they were when the run started."""
        plain = json.loads(self.folder.read_bytes("prompts.json"))
        return {name: Prompt.model_validate(prompt) for name, prompt in plain.items()}

    @cached_property
    def partitions(self) -> Partitions:
        """The curated rows by partition, behind the leakage gate; their texts come from `rows`."""
        return self.placed("partitions.parquet")

    @cached_property
    def keys(self) -> pd.DataFrame:
        """KEY_COLUMNS of every curated row, and its `position`."""
        keys: pd.DataFrame = self.folder.columns(CURATED, KEY_COLUMNS).to_pandas()
        return keys.assign(position=np.arange(len(keys)))

    def placed(self, name: str) -> Partitions:
        """The curated rows as a file of places (PLACE, a line each in the order of the rows) spreads them."""
        places = self.folder.read_frame(name)
        if not places["id"].equals(self.keys["id"]):
            raise TamperedFileError(str(self.folder.file(name)), "does not give each curated row one place")
        where = places["partition"]
        withheld = self.keys.assign(reason=places["reason"])[where == "withheld"]
        parts = {part: self.keys[where == part].reset_index(drop=True) for part in PARTITIONS}
        return Partitions(**parts, withheld=withheld.reset_index(drop=True))

    def place(self, name: str, partitions: Partitions) -> None:
        """Write which row lies where; the rows themselves stay in curated.parquet."""
        kept = [getattr(partitions, part).assign(partition=part, reason="") for part in PARTITIONS]
        places = pd.concat([*kept, partitions.withheld.assign(partition="withheld")]).sort_values("position")
        if not np.array_equal(places["position"], self.keys["position"]):
            raise AssertionError(f"{len(self.keys)} rows are curated, {len(places)} have a place")
        self.folder.write_frame(name, places[PLACE].reset_index(drop=True))

    def rows(self, partition: str, columns: Sequence[str] = EXAMPLE_COLUMNS) -> pd.DataFrame:
        """Rows of a partition behind the leakage gate, in the order of the curated rows."""
        schema = pq.read_schema(self.folder.checked(CURATED))
        batches = self.batches(partition, columns)
        return pa.Table.from_batches(batches, pa.schema([schema.field(name) for name in columns])).to_pandas()

    def batches(self, partition: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The same in batches, for a partition that may be larger than memory."""
        positions: npt.NDArray[np.int64] = getattr(self.partitions, partition)["position"].to_numpy()
        start = 0
        for batch in pq.ParquetFile(self.folder.checked(CURATED)).iter_batches(columns=list(columns)):
            first, last = np.searchsorted(positions, [start, start + len(batch)])
            yield batch.select(list(columns)).take(pa.array(positions[first:last] - start))
            start += len(batch)

    @cached_property
    def labels(self) -> list[str]:
        """Classification: the contract's labels, or those that train holds. Otherwise none."""
        if self.case.use_case.kind is not TaskKind.CLASSIFICATION:
            return []
        return list(self.case.contract.labels) or sorted(self.partitions.train["output"].unique())

    @cached_property
    def renderer(self) -> Renderer:
        """The one renderer of this use case."""
        return Renderer(self.case.use_case.kind, self.case.contract, self.labels)

    @cached_property
    def few_shots(self) -> FewShots:
        """Examples for prompts, from train only."""
        return FewShots(self.rows("train", SHOT_COLUMNS))

    @cached_property
    def examples(self) -> str:
        """The rows that few-shot examples come from, in a file of their own: its sha256."""
        if not self.folder.has(EXAMPLES):
            return self.folder.write_frame(EXAMPLES, self.rows("train", SHOT_COLUMNS))
        return self.folder.manifest()[EXAMPLES]

    def has_own_examples(self, candidate: Candidate) -> bool:
        """Whether the candidate won with other examples than this run's, and so has to answer with those."""
        return candidate.prompt.few_shot.count > 0 and candidate.examples != self.examples

    @cached_property
    def _champion_few_shots(self) -> FewShots:
        return FewShots(self.folder.read_frame(CHAMPION_EXAMPLES))

    def few_shots_of(self, candidate: Candidate) -> FewShots:
        """Where that candidate's examples come from: this run's train, or what the champion was registered with."""
        return self._champion_few_shots if self.has_own_examples(candidate) else self.few_shots


def _with_endpoint(case: ResolvedUseCase, name: str, settings: ProviderSettings) -> ResolvedUseCase:
    endpoints = case.use_case.endpoints | {name: settings}
    return case.model_copy(update={"use_case": case.use_case.model_copy(update={"endpoints": endpoints})})


def edge_of(space: Workspace) -> Edge:
    """The providers that the use case names, none of them asked anything yet, and the ledger at home."""
    case = space.case.use_case
    endpoints = {name: connect(settings) for name, settings in case.endpoints.items()}
    return Edge(connect(case.provider), Ledger(), endpoints)


def start(use_case: str, options: TrialOptions, purpose: str = "trial") -> Workspace:
    """A new run's folder, with the use case and its prompts as they are now."""
    case = load(use_case, options.settings)
    stamp = datetime.now(UTC).strftime(STAMP)
    folder = RunFolder(run_path(f"{stamp}-{case.use_case.name}-{token_hex(2)}"))
    folder.write_json("use_case.json", case)
    folder.write_json("options.json", options)
    folder.write_json("purpose.json", {"purpose": purpose})
    folder.write_json("prompts.json", {name: prompt.model_dump() for name, prompt in load_prompts(case).items()})
    return Workspace(folder)


def reopen(run: str) -> Workspace:
    """The workspace of a run that was started before."""
    path = run_path(run)
    if not (path / "manifest.json").is_file():
        raise ConfigurationError(run, f"no such run under {path.parent}", "`tunegate status` lists the runs.")
    return Workspace(RunFolder(path))


def resumable(run: str) -> Workspace:
    """The workspace of a trial that stopped; nobody who checked rows or asked for a price meant to buy anything."""
    space = reopen(run)
    purpose = json.loads(space.folder.read_bytes("purpose.json"))["purpose"] if space.folder.has("purpose.json") else ""
    if purpose not in ("trial", ""):
        raise ConfigurationError(run, f"it is a {purpose}, and no trial", f"Run `tunegate {purpose}` again instead.")
    if space.folder.has(REDACTIONS):
        problem = "rows of it were forgotten since it stopped"
        raise ConfigurationError(run, problem, f"Start a new trial: `tunegate run {space.case.use_case.name}`.")
    return space


def started(run: str) -> str:
    """When a run began, ISO 8601 in UTC, as its name says."""
    return datetime.strptime(run[:15], STAMP).replace(tzinfo=UTC).isoformat()


def of(trial: TrialRef) -> Workspace:
    """The workspace of a trial in progress."""
    return Workspace(RunFolder(Path(trial.folder)))
