"""Take a data subject's rows out of everything that is kept here, and say what stays and who learnt from them.

What the rows are found by goes last: a kill at any moment leaves enough for a repetition to come to the same end.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_contracts.redaction import (
    REDACTIONS,
    Forgetting,
    ForgottenInRun,
    RedactionRequest,
    Redactions,
    sha256_of,
    token,
)
from data_contracts.use_case import ResolvedUseCase
from tasks import signing
from tasks.clock import SystemClock
from tasks.errors import ResumableError
from tasks.home import home
from tasks.ledger import Ledger
from tasks.ledger.erasing import Erasing
from tasks.ledger.operating import Forgotten
from tasks.register.redaction import Place, RegistryRedaction
from tasks.run_folder import RunFolder
from tasks.steps.forgotten import learnt, subject
from tasks.steps.forgotten.contents import KINDS
from tasks.steps.forgotten.production import Known, Production
from tasks.steps.forgotten.run_files import RunFiles
from tasks.steps.forgotten.subject import Held, Subject
from tasks.storage.sqlite_file import compact

STAMP, DRAWN = len("20260101-000000-"), len("-1f2e")  # before and behind the use case in the name of a run
KEEPS = [
    "sha256 of the ids and hashes of the words, so that no later trial takes the rows in again, under whatever id",
    "hashes of the words in the memory of partitions, and of texts in the fingerprints of what was uploaded",
    "of each emptied row where it stood in its source, its partition, and each answer's score, tokens and cost",
]
OWN_TEXTS = (
    "inputs in MLflow traces, backups, and logs of production elsewhere than in TUNEGATE_HOME/production are yours: "
    "delete them where you keep them"
)
NO_CASE = "collected and logged rows of production: the use-case file is gone that says how to read them"
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Wish:
    """Whose rows, and at whose word. `case`: None where its file is gone."""

    use_case: str
    ids: frozenset[str]
    by: str
    reason: str
    case: ResolvedUseCase | None = None


def forget(wish: Wish, progress: Progress) -> Forgetting:
    """Delete, in the order that a repetition needs, and count. `progress` gets what is gone through, done and total.

    Raises ResumableError while a run of the use case is in progress: the request is on record by then.
    """
    ledger, folders = Ledger(), list(run_folders(wish.use_case))
    production = Production(wish.case, ledger) if wish.case else None
    named = production.named(wish.ids) if production else set()
    known = {row.words for row in ledger.forgotten(wish.use_case) if row.row in set(map(sha256_of, wish.ids))}
    known |= {words for _, words in named}
    found = subject.find(folders, wish.ids, known, lambda *done: progress("Looking in runs", *done))
    ledger.forget(_on_record(wish, {*found.named, *named}, ledger.clock.now()))
    with ExitStack() as claims:
        for folder in folders:
            _claim(folder, claims)
        forgetter = _Forgetter(wish, ledger, folders, found, progress, production)
        return forgetter.forget()


def run_folders(use_case: str) -> Iterator[RunFolder]:
    """Folders of every run of a use case on this machine, oldest first, whatever it was for."""
    for path in sorted((home() / "runs").glob("*")):
        if path.is_dir() and path.name[STAMP:-DRAWN] == use_case:
            yield RunFolder(path)


def _on_record(wish: Wish, named: Collection[Known], now: float) -> Iterator[Forgotten]:
    words = {id_: {hash_ for one, hash_ in named if one == id_} or {""} for id_ in wish.ids}
    for id_ in sorted(wish.ids):
        for hash_ in sorted(words[id_]):
            yield Forgotten(wish.use_case, sha256_of(id_), hash_, wish.by, wish.reason, now)


def _claim(folder: RunFolder, claims: ExitStack) -> None:
    try:
        folder.claim()
    except ResumableError as busy:
        remedy = "Later trials leave the rows out from now on; repeat when it has ended, for what it holds of them."
        raise ResumableError(f"Forgetting rows of {folder.run}", busy.cause, remedy) from None
    claims.callback(folder.release)


@dataclass
class _Forgetter:
    """One request on its way."""

    wish: Wish
    ledger: Ledger
    folders: Sequence[RunFolder]
    found: Subject
    progress: Progress
    production: Production | None
    files: dict[str, list[str]] = field(default_factory=dict)  # run -> names of rewritten files
    stays: list[str] = field(default_factory=list)

    def forget(self) -> Forgetting:
        self._stretches = subject.stretches(self.folders, self.found)
        registry = RegistryRedaction(self.wish.use_case, KINDS)
        answers = self._answers()
        trainings = learnt.trainings(self.folders, self.found.held, self.ledger)
        provider = [line for training in trainings for line in self._at_provider(training)]
        self._folders("Emptying runs", lambda files: list(files.derived()))
        artifacts, changed = self._registry(registry)
        self._folders("Emptying rows", lambda files: list(files.sources()))
        self._explain(registry)
        rewritten = self._production()
        self._compact()
        return Forgetting(
            use_case=self.wish.use_case,
            ids=len(self.wish.ids),
            same_words=sum(held.others for held in self.found.held.values()),
            rows=sum(held.records for held in self.found.held.values()),
            runs=[self._run(name, files) for name, files in self.files.items() if files],
            answers=answers,
            registry=artifacts,
            production=rewritten,
            provider=provider,
            models=list(learnt.models(trainings, registry)),
            changed=changed,
            sources=sorted(self._sources()),
            stays=[*self.stays, *self._elsewhere(), OWN_TEXTS],
            keeps=KEEPS,
        )

    def _production(self) -> list[str]:
        if self.production is None:
            self.stays.append(NO_CASE)
            return []
        ids = self.wish.ids.union(*(held.ids for held in self.found.held.values()))
        return self.production.erase(ids, self.found.words)

    def _sources(self) -> set[str]:
        """But for the file that the monitor writes."""
        lines = {line for held in self.found.held.values() for line in held.lines}
        own = self.production.collected if self.production else ""
        return {line for line in lines if line.rpartition(":")[0] != own}

    # ------------------------------------------------------------ run folders

    def _folders(self, what: str, work: Callable[[RunFiles], list[str]]) -> None:
        for done, folder in enumerate(self.folders, 1):
            self.files.setdefault(folder.run, []).extend(work(self._files_of(folder)))
            self.progress(what, done, len(self.folders))

    def _files_of(self, folder: RunFolder) -> RunFiles:
        held = self.found.held.get(folder.run, Held())
        request = RedactionRequest(
            ids=sorted(map(sha256_of, self.wish.ids | held.ids)),
            rows=held.records,
            by=self.wish.by,
            reason=self.wish.reason,
            redacted_at=self.ledger.clock.now(),
        )
        eraser = self.found.eraser(folder.run, self._stretches)
        return RunFiles(self.wish.use_case, folder, eraser, request)

    def _run(self, run: str, files: list[str]) -> ForgottenInRun:
        row = self.ledger.run(run)
        held = self.found.held.get(run, Held())
        cut_short = row is not None and row.state != "finished"
        return ForgottenInRun(run=run, rows=held.records, files=sorted(files), to_be_replaced=cut_short)

    def _elsewhere(self) -> Iterator[str]:
        here = {folder.run for folder in self.folders}
        away = [row.run for row in self.ledger.runs() if row.use_case == self.wish.use_case and row.run not in here]
        if away:
            yield f"{len(away)} runs have no folder on this machine; repeat where they have one: {', '.join(away)}"

    # ------------------------------------------------------------ ledger, provider, registry

    def _answers(self) -> int:
        """Of every question about the rows, and every other answer that quotes one."""
        erasing = Erasing()
        asked = {request for folder in self.folders for request in self._requests(folder)}
        return erasing.delete_answers(asked) + erasing.delete_answers_that(self._stretches.are_in)

    def _requests(self, folder: RunFolder) -> Iterator[str]:
        held = self.found.held.get(folder.run, Held())
        cases = {*self.wish.ids, *held.ids}
        for path in folder.path.glob("*.parquet"):
            with pq.ParquetFile(path) as file:
                if {"case", "request"} <= set(file.schema_arrow.names):
                    answers = file.read(["case", "request"])
                    wanted = pc.is_in(answers["case"], value_set=_texts({*cases, *map(token, cases)}))
                    yield from answers.filter(wanted)["request"].to_pylist()

    def _at_provider(self, training: learnt.Training) -> list[str]:
        deleted, stays = learnt.clean_up(training, SystemClock())
        self.stays += stays
        return deleted

    def _registry(self, registry: RegistryRedaction) -> tuple[list[str], list[str]]:
        """What was rewritten, and the versions that answer with other examples now."""
        found, changed, places = [], [], registry.places()
        for done, place in enumerate(places, 1):
            names = registry.erase(place, self.found.eraser(place.trial, self._stretches).file, self._told(place))
            found += [f"{place.name}: {name}" for name in names]
            if any(name.endswith("examples.parquet") for name in names):
                changed += [f"version {version}" for version in place.versions]
            self.progress("Emptying MLflow", done, len(places))
        return [*found, *registry.strike_prompts(self._stretches.strike)], changed

    def _told(self, place: Place) -> Callable[..., None]:
        folder = next((folder for folder in self.folders if folder.run == place.trial), None)
        return self._files_of(folder).artifact if folder else lambda artifact: None

    def _explain(self, registry: RegistryRedaction) -> None:
        """Sign the records, and put them beside what they explain."""
        redacted = {folder.run: folder for folder in self.folders if folder.has(REDACTIONS)}
        for folder in redacted.values():
            signing.seal(folder, REDACTIONS)
        for place in registry.places():
            if place.trial in redacted:
                folder = redacted[place.trial]
                record = folder.read_json(REDACTIONS, Redactions)
                files = (folder.file(name) for name in (REDACTIONS, signing.bundle_of(REDACTIONS)))
                if any(item.place == place.name for item in record.artifacts):
                    registry.explain(place, [path for path in files if path.is_file()], record.sentence)

    def _compact(self) -> None:
        mlflow = home() / "mlflow.db"
        for path, work in (("", Erasing().compact), (mlflow, partial(compact, mlflow))):
            try:
                if path != mlflow or mlflow.is_file():
                    work()
            except ResumableError as busy:
                self.stays.append(str(busy))


def _texts(values: set[str]) -> pa.Array:
    return pa.array(sorted(values), pa.string())
