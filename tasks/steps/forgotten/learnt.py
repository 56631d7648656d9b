"""Which tuned models learnt from the rows, and what the provider still holds of the files that they learnt from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from data_contracts.money import FineTuned
from data_contracts.redaction import LearntModel
from tasks.clock import Clock
from tasks.errors import TunegateError
from tasks.finetune.cleanup import CleanUp
from tasks.ledger import Ledger
from tasks.ledger.rows import Intent, IntentState
from tasks.register.mlflow_registry import Incumbent
from tasks.register.redaction import RegistryRedaction
from tasks.run_folder import RunFolder
from tasks.steps.attached import purchase_of
from tasks.steps.forgotten.subject import Held
from tasks.workspace import Workspace, edge_of

TRAINED_ON = ("train", "validation")


@dataclass(frozen=True)
class Training:
    """A run whose training or validation file held the rows, and the purchase that it made or found."""

    space: Workspace
    intent: Intent
    partitions: tuple[str, ...]

    @property
    def tuned(self) -> FineTuned | None:
        """The model that came of it, as far as the run got to know it."""
        folder = self.space.folder
        return folder.read_json("tuned.json", FineTuned) if folder.has("tuned.json") else None

    @property
    def names(self) -> list[str]:
        """Its model's own name first, then that of its deployment; none where no model came of it."""
        names = [self.tuned.model, self.tuned.asked_as] if self.tuned else []
        return list(dict.fromkeys(filter(None, [*names, self.intent.model])))


def trainings(folders: Sequence[RunFolder], held: Mapping[str, Held], ledger: Ledger) -> list[Training]:
    """Every purchase whose files held the rows, by the runs that it was for."""
    intents, found = ledger.intents(), []
    for folder in folders:
        places = held[folder.run].places if folder.run in held else {}
        partitions = tuple(name for name in TRAINED_ON if places.get(name) and folder.has(FILES[name]))
        intent = purchase_of(folder.run, intents) if partitions else None
        if intent:
            found.append(Training(Workspace(folder), intent, partitions))
    return found


FILES = {"train": "training.jsonl", "validation": "validation.jsonl"}


def clean_up(training: Training, clock: Clock) -> tuple[list[str], list[str]]:
    """Delete the uploaded files and look for them afterwards: what was deleted now, and what stays."""
    run, intent = training.space.folder.run, training.intent
    if not (intent.training_file_id or intent.validation_file_id):
        return [], []
    if intent.state is not IntentState.ENDED:
        job = intent.job_id or f"of purchase {intent.key}"
        return [], [f"Job {job} of {run} has not ended, and reads its files: `tunegate purge {run}`."]
    try:
        edge = edge_of(training.space)
        cleaning = CleanUp(edge.provider, edge.ledger, clock)
        deleted = cleaning.files(intent)
        kept = [id_ for kind, id_ in cleaning.undeletable(intent, None) if kind == "file"]
    except TunegateError as error:
        return [], [f"Files of {run} at its provider could not be asked for: {error}"]
    proof = {True: "deleted and gone", False: "deleted, not yet seen to be gone"}
    told = [f"file {item.id}: {proof[item.proven]}" for item in deleted]
    return told, [f"file {id_} of {run}: delete it in the provider's portal" for id_ in kept]


def models(trainings: Sequence[Training], registry: RegistryRedaction) -> Iterator[LearntModel]:
    """Every tuned model once, with the trials that it took part in."""
    by_model: dict[str, list[Training]] = {}
    for training in trainings:
        for name in training.names[:1]:
            by_model.setdefault(name, []).append(training)
    champion, challenger = registry.registry.champion(), registry.registry.challenger()
    for model, found in by_model.items():
        names = {name for training in found for name in training.names}
        versions = registry.versions_of(names)
        role = _role(names, versions, champion, challenger)
        yield LearntModel(
            model=model,
            use_case=registry.registry.store.use_case,
            runs=[training.space.folder.run for training in found],
            job=found[0].intent.job_id or "",
            provider=found[0].space.case.use_case.provider.name,
            role=role,
            versions=versions,
            exists=(there := _exists(found[0], model)),
            partitions=sorted({name for training in found for name in training.partitions}),
            next=_next(role, there, found[-1]),
        )


def _role(names: set[str], versions: list[int], champion: Incumbent | None, challenger: Incumbent | None) -> str:
    for role, standing in (("champion", champion), ("challenger", challenger)):
        if standing and names & {standing.candidate.model, standing.candidate.tuned_model}:
            return role
    return "version" if versions else "none"


def _exists(training: Training, model: str) -> bool | None:
    try:
        return edge_of(training.space).provider.has_model(model)
    except TunegateError:
        return None


def _next(role: str, exists: bool | None, training: Training) -> str:
    """Nothing takes a row out of weights: the model goes, and a trial without the rows trains another."""
    use_case, run = training.space.case.use_case.name, training.space.folder.run
    if exists is False:
        return "Nothing: the provider has it no more."
    purge = f"`tunegate purge {run}` deletes it"
    if role == "champion":
        again = f"`tunegate run {use_case}` trains another without these rows"
        return f"{again}; once that or `tunegate rollback {use_case}` has replaced it, {purge}."
    return f"{purge}; `tunegate run {use_case}` trains another without these rows."
