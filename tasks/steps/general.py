"""Whether a tune has forgotten what it could do before: general tasks, asked of it and of its base model."""

import json
from collections.abc import Sequence

from data_contracts.candidate import Candidate
from data_contracts.evidence import GeneralScore
from tasks.evaluate import general
from tasks.evaluate.general import Tasks, Tuned
from tasks.steps.asking import Progress, Terms, answers_to, identity_of, price_of
from tasks.storage import Storage
from tasks.workspace import Edge, Workspace

TASKS = "general_tasks.jsonl"


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
    """Every tune in the field once, and its base model; kept as general.json."""
    settings = space.case.use_case.evaluation.general
    if settings is None or space.folder.has("general.json"):
        return
    asked, tunes = tasks(space), {item.model: item for item in reversed(field) if item.kind == "tune"}
    found = []
    for tune in tunes.values():
        base = tune.model_copy(update={"name": tune.base_model, "kind": "prompt", "model": tune.base_model})
        models = {model.model: price_of(model, edge) for model in (tune, base)}
        questions = general.questions(asked, models, settings, identity_of(edge, tune.endpoint), tune.endpoint)
        terms = Terms(models, settings.max_tokens / 2, tunes=[tune.model])
        answers = answers_to(space, edge, questions, terms, progress)
        tuned = [Tuned(item.name, item.model, item.base_model) for item in field if item.model == tune.model]
        found += [general.general_score(asked, answers, settings, one) for one in tuned]
    plain = [score.model_dump() for score in found if score]
    space.folder.write_json("general.json", {"scores": plain})


def scores(space: Workspace) -> dict[str, GeneralScore]:
    """By candidate; empty where nothing was asked."""
    if not space.folder.has("general.json"):
        return {}
    plain = json.loads(space.folder.read_bytes("general.json"))["scores"]
    return {item["candidate"]: GeneralScore.model_validate(item) for item in plain}
