"""An adopted tune as a registered version, with all that is unknown of it."""

from pathlib import Path
from typing import Any

from data_contracts.adoption import AdoptionRecord
from data_contracts.contest import Registration
from data_contracts.records import as_json
from tasks.ledger import Ledger
from tasks.register import metrics, promotion
from tasks.register.answering_model import log_answering_model
from tasks.register.mlflow_registry import Registry
from tasks.register.promotion import Request
from tasks.register.runs import ANSWERS
from tasks.register.store import reachable
from tasks.register.version_record import VersionRecords

DOCUMENTS = ("adoption", "comparison", "counts", "curation", "contract", "leakage", "sealed", "estimate")


@reachable()
def register(registry: Registry, ledger: Ledger, record: AdoptionRecord, request: Request) -> Registration:
    """Let the adopted tune be champion, under `ledger.lock(lock_key(use_case))`. Doing it again adds nothing."""
    promotion.settle(registry, ledger)
    run_id = _log_run(registry, record)
    version = _version(registry, record, run_id)
    promotion.move(registry, ledger, version, request)
    VersionRecords(registry).keep_hashes(version)
    registry.close(run_id, "FINISHED")
    return Registration(
        registered_model=registry.name,
        champion_version=version,
        challenger_version=None,
        run_id=run_id,
        experiment_id=registry.store.experiment_id,
        model_uri=f"models:/{registry.name}@champion",
    )


def _log_run(registry: Registry, record: AdoptionRecord) -> str:
    store, candidate, adoption = registry.store, record.candidate, record.adoption
    names = {"tunegate.run": record.run, "tunegate.role": "adoption"}
    known = store.find_run(tunegate__run=record.run, tunegate__role="adoption")
    run_id = known or store.create_run(record.run, names | {"mlflow.note.content": adoption.markdown})
    params = {
        "kind": record.case.use_case.kind.value,
        "provider": adoption.provider,
        "model": candidate.model,
        "base_model": candidate.base_model,
        "prompt": candidate.prompt.name,
        "prompt_digest": candidate.prompt.digest,
        "metric": adoption.metric,
        "test_sha256": adoption.test_sha256,
        "training_data": candidate.training_data,
    }
    figures = metrics.headline(adoption.recent) if adoption.recent else {}
    recent = {f"recent/{name}": value for name, value in figures.items()}
    store.log(run_id, metrics.headline(adoption.test) | recent, params, {})
    store.client.log_dict(run_id, as_json(candidate), "candidate.json")
    for document in DOCUMENTS:
        store.client.log_artifact(run_id, str(Path(record.folder) / f"{document}.json"))
    if not store.has_artifact(run_id, "answers.json"):  # a second log_table would append
        store.client.log_table(run_id, record.answers[ANSWERS], "answers.json")
    return run_id


def _version(registry: Registry, record: AdoptionRecord, run_id: str) -> int:
    """The version that holds this very candidate, made once."""
    candidate = record.candidate
    known = registry.versions(candidate.digest)
    if known:
        return known[0]
    shown = candidate.prompt.few_shot.count and record.case.use_case.text_policy.few_shot_in_registry
    examples = record.train_examples if shown else ""
    info = log_answering_model(registry.store.use_case, run_id, candidate, _decision(record), examples)
    version = registry.client.create_model_version(
        registry.name,
        source=info.model_uri,
        run_id=run_id,
        model_id=info.model_id,
        tags=_tags(registry, record),
        description=record.adoption.markdown,
    )
    return int(version.version)


def _tags(registry: Registry, record: AdoptionRecord) -> dict[str, str]:
    candidate, adoption = record.candidate, record.adoption
    prompt = registry.prompts.register(record).get(candidate.prompt.digest)
    tags = {
        "digest": candidate.digest,
        "kind": candidate.kind,
        "model": candidate.model,
        "prompt": candidate.prompt.name,
        "prompt_digest": candidate.prompt.digest,
        "run": record.run,
        "role": "adopted",
        "training_data": candidate.training_data,
        "adopted_by": adoption.adopted_by,
        "test_sha256": adoption.test_sha256,
        **{name: f"{value:.6g}" for name, value in metrics.headline(adoption.test).items()},
        **({"examples": candidate.examples} if candidate.examples else {}),
        **({"prompt_version": registry.prompts.uri(prompt)} if prompt is not None else {}),
    }
    return {f"tunegate.{name}": value for name, value in tags.items()}


def _decision(record: AdoptionRecord) -> dict[str, Any]:
    """The decision record: how to answer, and that no verdict says why this one may."""
    return {
        "candidate": as_json(record.candidate),
        "kind": record.case.use_case.kind.value,
        "provider": as_json(record.case.use_case.provider_at(record.candidate.endpoint)),
        "contract": as_json(record.case.contract),
        "labels": record.labels,
        "train_examples": record.train_examples,
        "adoption": as_json(record.adoption),
        "comparison": as_json(record.comparison),
    }
