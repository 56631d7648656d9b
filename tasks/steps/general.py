"""Whether a tune has forgotten what it could do before: general tasks, asked of it and of its base model."""

import json
import logging
from collections.abc import Sequence

from data_contracts.candidate import Candidate
from data_contracts.evidence import GeneralScore
from tasks.errors import ProviderRefusedError
from tasks.evaluate import general
from tasks.evaluate.general import Tasks, Tuned
from tasks.providers.protocol import Provider
from tasks.steps.asking import Progress, Terms, answers_to, identity_of, price_of
from tasks.storage import Storage
from tasks.workspace import Edge, Workspace

TASKS = "general_tasks.jsonl"
log = logging.getLogger("tunegate.general")


def tasks(space: Workspace) -> Tasks:
    """The tasks as they were when this run first read them. Raises ConfigurationError for a line that is none."""
    settings = space.case.use_case.evaluation.general
    if settings is None:
        return {}
    if not space.folder.has(TASKS):
        content = Storage().read(space.case.resolve(settings.file))
        general.read_tasks(content, settings.file)  # before it is kept
        space.folder.write_bytes(TASKS, content)
    return general.read_tasks(space.folder.read_bytes(TASKS), settings.file)


def ask(space: Workspace, edge: Edge, field: Sequence[Candidate], progress: Progress) -> None:
    """Every tune in the field but the champion once, and its base model; kept as general.json.

    A base model that is gone leaves its tune unmeasured, which the verdict says.
    """
    settings = space.case.use_case.evaluation.general
    if settings is None:
        return
    asked, found = tasks(space), []
    for tune in tunes_of(field):
        name = base_of(tune, space)
        if not is_listed(name, edge.at(tune.endpoint)):
            log.warning("general tasks: base model %s no longer answers, so what %s forgot is unknown", name, tune.name)
            continue
        base = tune.model_copy(update={"name": name, "kind": "prompt", "model": name})
        models = {model.model: price_of(model, edge) for model in (tune, base)}
        questions = general.questions(asked, models, settings, identity_of(edge, tune.endpoint), tune.endpoint)
        terms = Terms(models, settings.max_tokens / 2, tunes=[tune.model])
        try:
            answers = answers_to(space, edge, questions, terms, progress)
        except ProviderRefusedError as refusal:
            log.warning("general tasks: %s; what %s forgot is unknown", refusal, tune.name)
            continue
        tuned = [Tuned(item.name, item.model, name) for item in field if measured(item) and item.model == tune.model]
        found += [general.general_score(asked, answers, settings, one) for one in tuned]
    scores = [score for score in found if score]
    helpless = [score.candidate for score in scores if score.base.value == 0]
    if helpless:
        log.warning("general tasks: the base model solves none of them, so they do not show what a tune forgot")
    plain = [score.model_dump() for score in scores if score.candidate not in helpless]
    space.folder.write_json("general.json", {"scores": plain, "nothing_to_forget": helpless})


def asked_of(space: Workspace, field: Sequence[Candidate]) -> frozenset[str]:
    """Candidates that are to be held to general tasks."""
    if space.case.use_case.evaluation.general is None:
        return frozenset()
    helpless = json.loads(space.folder.read_bytes("general.json"))["nothing_to_forget"]
    return frozenset(item.name for item in field if measured(item)) - set(helpless)


def tunes_of(field: Sequence[Candidate]) -> list[Candidate]:
    """Every tuned model that stands for promotion once, whatever prompts it is asked with."""
    return list({item.model: item for item in reversed(field) if measured(item)}.values())


def measured(candidate: Candidate) -> bool:
    """Whether general tasks are asked of it: a champion has been through that."""
    return candidate.kind == "tune" and candidate.name != "champion"


def base_of(tune: Candidate, space: Workspace) -> str:
    """Its base model, under the name that the use case has for it: the dated one would be another question."""
    named = space.case.use_case.fine_tune.base_model
    return named if tune.base_model.startswith(f"{named}-") else tune.base_model


def is_listed(model: str, provider: Provider) -> bool:
    """Whether the provider lists it, or lists nothing. A listed dated model vouches for its undated name."""
    if not provider.capabilities.lists_bases:
        return True
    listed = [item.id for item in provider.models()]
    return not listed or any(id_ == model or id_.startswith(f"{model}-") for id_ in listed)


def scores(space: Workspace) -> dict[str, GeneralScore]:
    """By candidate; empty where nothing was asked."""
    if not space.folder.has("general.json"):
        return {}
    plain = json.loads(space.folder.read_bytes("general.json"))["scores"]
    return {item["candidate"]: GeneralScore.model_validate(item) for item in plain}
