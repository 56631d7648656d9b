"""A trial as MLflow runs: one parent run a trial, one nested run a candidate, datasets as inputs, figures, tables."""

import warnings
from collections.abc import Iterable
from pathlib import Path

from data_contracts.contest import CandidateScores
from data_contracts.money import JobEvent
from data_contracts.records import PARTITIONS, as_json
from data_contracts.trial import TrialRecord
from tasks.register import figures, metrics, views
from tasks.register.excerpts import shown_failures
from tasks.register.store import Store

DOCUMENTS = ("comparison", "verdict", "leakage", "counts", "curation", "sealed", "estimate", "cost", "prompt_search")
PAGES = ("report.html", "data.html")
ANSWERS = [  # no row text
    *("case", "repeat", "outcome", "score", "latency_ms", "ttft_ms", "prompt_tokens", "completion_tokens", "cost"),
    *("confidence", "stored"),
]
POINTS_A_CALL = 1000  # MLflow's limit


def open_trial(store: Store, run: str, tags: dict[str, str]) -> str:
    """Id of the trial's parent run; the same one when the trial is resumed."""
    known = store.find_run(tunegate__run=run, tunegate__role="trial")
    if known:
        store.client.update_run(known, status="RUNNING")
        return known
    return store.create_run(run, {"tunegate.run": run, "tunegate.role": "trial", **tags})


def log_events(store: Store, run_id: str, events: Iterable[JobEvent]) -> None:
    """Loss and accuracy of a waiting job, a point a step."""
    from mlflow.entities import Metric

    points = [
        Metric(f"job/{name}", value, int(event.created_at * 1000), int(event.metrics.get("step", 0)))
        for event in events
        for name, value in event.metrics.items()
        if name not in {"step", "total_steps"}
    ]
    for start in range(0, len(points), POINTS_A_CALL):
        store.client.log_batch(run_id, metrics=points[start : start + POINTS_A_CALL])


def log_trial(store: Store, trial: TrialRecord, run_id: str) -> None:
    """What the whole trial found: inputs, figures of every candidate, documents, report, verdict."""
    views.keep(store.client, store.experiment_id, trial.case.use_case)
    verdict, began = trial.verdict, trial.started[:16].replace("T", " ")
    store.client.update_run(run_id, name=f"{verdict.decision}: {verdict.winner.name}, {began}")
    _log_datasets(store, trial, run_id)
    tuned = trial.tuned
    params = {
        "kind": trial.case.use_case.kind.value,
        "provider": trial.case.use_case.provider.name,
        "metric": trial.comparison.metric,
        "test_sha256": trial.comparison.test_sha256,
        "tuned_model": tuned.model if tuned else "none",
        "job": tuned.submission.job_id if tuned else "none",
        "intent": tuned.submission.intent if tuned else "none",
    }
    tags = {
        "tunegate.verdict": trial.verdict.decision,
        "tunegate.winner": trial.verdict.winner.name,
        "mlflow.note.content": _described(trial),
        **({"tunegate.recommendation": trial.recommendation.action} if trial.recommendation.sentence else {}),
    }
    store.log(run_id, metrics.of_trial(trial), params, tags)
    for name in (*(f"{document}.json" for document in DOCUMENTS), *PAGES):
        store.client.log_artifact(run_id, str(Path(trial.folder) / name))
    found = {"failures": shown_failures(trial), "recommendation": trial.recommendation, "effort": trial.effort}
    for name, document in found.items():
        store.client.log_dict(run_id, as_json(document), f"{name}.json")
    for name, figure in figures.of_trial(trial).items():
        store.client.log_figure(run_id, figure, f"figures/{name}.png")


def _described(trial: TrialRecord) -> str:
    """The verdict and what is recommended, as the run's description."""
    advice = trial.recommendation
    return trial.verdict.markdown + (f"\nNext: **{advice.action}**. {advice.sentence}\n" if advice.sentence else "")


def log_candidate(store: Store, trial: TrialRecord, scores: CandidateScores, parent: str) -> str:
    """The candidate's nested run, with all that is needed to let it answer again; its id."""
    candidate = scores.candidate
    tags = {"mlflow.parentRunId": parent, "tunegate.candidate": candidate.name, "tunegate.role": "candidate"}
    known = store.find_run(mlflow__parentRunId=parent, tunegate__candidate=candidate.name)
    run_id = known or store.create_run(candidate.name, tags)
    prompt = candidate.prompt
    params = {
        "model": candidate.model,
        "base_model": candidate.base_model,
        "prompt": prompt.name,
        "prompt_digest": prompt.digest,
        "few_shot": f"{prompt.few_shot.count} {prompt.few_shot.choose}" if prompt.few_shot.count else "none",
        "temperature": str(prompt.decoding.temperature),
        "seed": str(prompt.decoding.seed),
        "reasoning": str(prompt.reasoning),
        "structured": str(prompt.structured),
    }
    store.log(run_id, metrics.of_candidate(trial, scores), params, {})
    store.client.log_dict(run_id, as_json(candidate), "candidate.json")
    if not store.has_artifact(run_id, "answers.json"):  # a second log_table would append
        answers = trial.answers.loc[trial.answers["candidate"] == candidate.name, ANSWERS]
        store.client.log_table(run_id, answers, "answers.json")
    store.client.set_terminated(run_id)
    return run_id


def _log_datasets(store: Store, trial: TrialRecord, run_id: str) -> None:
    """Train, validation and test as inputs: ids and digests, no texts."""
    import mlflow
    import pandas as pd
    from mlflow.entities import DatasetInput, InputTag

    placed = pd.read_parquet(Path(trial.folder) / "partitions.parquet")
    source = str(Path(trial.folder) / "curated.parquet")
    inputs = []
    for name in PARTITIONS:
        rows = placed.loc[placed["partition"] == name, ["id", "partition"]]
        digest = getattr(trial.counts, name).sha256[:36]
        with warnings.catch_warnings(action="ignore"):  # MLflow finds two names for a local file, and takes either
            dataset = mlflow.data.from_pandas(rows, source=source, name=f"{store.use_case}-{name}", digest=digest)
        inputs.append(DatasetInput(dataset._to_mlflow_entity(), [InputTag("mlflow.data.context", name)]))
    store.client.log_inputs(run_id, inputs)
