"""How long a trial is likely to take, told from what earlier answers and jobs took; None where nothing tells."""

import math
from collections.abc import Iterable, Mapping
from statistics import fmean, median

from data_contracts.answers import StoredAnswer
from data_contracts.money import FineTuned
from tasks.decide.readiness import Requests, Training, likely_epochs
from tasks.home import run_path
from tasks.ledger.rows import Intent
from tasks.run_folder import RunFolder, TamperedFileError
from tasks.workspace import Edge, Workspace


def latencies(answers: Iterable[StoredAnswer]) -> dict[str, float]:
    """Mean seconds of an answer, by model."""
    seconds: dict[str, list[float]] = {}
    for answer in answers:
        if not math.isnan(answer.latency_ms):  # of a batch
            seconds.setdefault(answer.model, []).append(answer.latency_ms / 1000)
    return {model: fmean(values) for model, values in seconds.items()}


def of_answers(space: Workspace, batches: Iterable[tuple[str, Requests]], known: Mapping[str, float]) -> float | None:
    """Hours for requests by endpoint, as many at a time as that takes; a tune is as fast as its base model."""
    case, seconds = space.case.use_case, 0.0
    for endpoint, requests in batches:
        if requests.count:
            if requests.price.model not in known:
                return None
            settings = case.endpoints[endpoint] if endpoint else case.provider
            seconds += requests.count * known[requests.price.model] / settings.max_concurrency
    return seconds / 3600


def of_training(edge: Edge, training: Training | None) -> float | None:
    """Hours from the order to the model, queue included, by the tokens of earlier jobs at the same provider."""
    if training is None or training.already_paid:
        return 0.0
    paces = [pace for intent in edge.ledger.intents() if (pace := _seconds_per_token(edge, intent)) is not None]
    return median(paces) * training.tokens * likely_epochs(training) / 3600 if paces else None


def _seconds_per_token(edge: Edge, intent: Intent) -> float | None:
    """Of a job that its own run waited for from the order to the end."""
    same = (intent.request.get("provider"), intent.request.get("base_url")) == (
        edge.provider.name,
        edge.provider.base_url,
    )
    path = run_path(intent.run)
    if not same or intent.job_state != "succeeded" or not path.is_dir():
        return None
    folder = RunFolder(path)
    try:
        tuned = folder.read_json("tuned.json", FineTuned) if folder.has("tuned.json") else None
    except (TamperedFileError, ValueError):  # of another release, or gone: it tells nothing
        return None
    if tuned is None or tuned.submission.attached or not tuned.trained_tokens:
        return None
    return tuned.seconds / tuned.trained_tokens
