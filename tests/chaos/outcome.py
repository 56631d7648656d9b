"""What a trial has come to, read where it can be read from outside: run folder, ledger, MLflow, provider."""

import hashlib
import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from tasks.ledger import Ledger
from tasks.ledger.rows import Intent, RunRecord
from tests.chaos.place import Place, ProviderServer

HASHED = ("partitions.parquet", "training.jsonl", "validation.jsonl")


def ledger_of(place: Place) -> Ledger | None:
    """The place's ledger, once there is one."""
    url = place.environment.get("TUNEGATE_LEDGER_URL")
    if url is None and not (place.home / "ledger.db").exists():
        return None
    return Ledger(url or f"sqlite:///{place.home / 'ledger.db'}")


def runs(place: Place) -> list[RunRecord]:
    """Its runs, oldest first."""
    ledger = ledger_of(place)
    return ledger.runs() if ledger else []


def intents(place: Place) -> list[Intent]:
    """Its purchases."""
    ledger = ledger_of(place)
    return ledger.intents() if ledger else []


def paid(provider: ProviderServer) -> Counter[str]:
    """Jobs by intent that somebody pays for: accepted, and not cancelled since. By its log and by its own files."""
    jobs = {job["id"]: job for job in provider.jobs()}
    cancelled = {name for name, job in jobs.items() if job["status"] == "cancelled" and job["fate"]["ends"] is None}
    logged = {line["job"]: line["intent"] for line in provider.log("jobs.create") if line["job"]}
    known = {name: job["metadata"]["intent"] for name, job in jobs.items()}
    return Counter(intent for name, intent in {**logged, **known}.items() if name not in cancelled)


def answered(provider: ProviderServer) -> int:
    """Answers that were paid for."""
    return sum(line["completion_tokens"] is not None for line in provider.log("chat.create"))


def outcome(place: Place) -> dict[str, Any]:
    """All of a finished trial that a kill must not change: hashes, answers, verdict, and what is registered."""
    folder = place.home / "runs" / runs(place)[-1].run
    hashes = json.loads((folder / "manifest.json").read_text())["files"]
    verdict = json.loads((folder / "verdict.json").read_text())
    return {
        "hashes": {name: hashes[name] for name in HASHED},
        "curated": _curated(folder),
        "answers": _answers(folder),
        "decision": verdict["decision"],
        "winner": verdict["winner"]["name"],
        **registered(place),
    }


def registered(place: Place) -> dict[str, Any]:
    """Versions and aliases of the use case's model, as MLflow's database has them."""
    model = f"tunegate.{place.name}"
    with closing(sqlite3.connect(place.mlflow_db)) as store:
        versions = store.execute("select version from model_versions where name = ?", (model,)).fetchall()
        aliases = store.execute("select alias, version from registered_model_aliases where name = ?", (model,))
        tags = store.execute("select version, key, value from model_version_tags where name = ?", (model,)).fetchall()
        kinds = {version: value for version, key, value in tags if key == "tunegate.kind"}
        return {"versions": sorted(kinds.get(version, "?") for (version,) in versions), "aliases": dict(aliases)}


def disagreements(place: Place) -> list[str]:
    """Where ledger, provider and MLflow of a finished trial contradict each other."""
    (intent,) = intents(place)
    jobs = {job["id"]: job for job in place.provider.jobs()}
    last = runs(place)[-1]
    with closing(sqlite3.connect(place.mlflow_db)) as store:
        query = (
            "select t.value from model_version_tags t join registered_model_aliases a on a.name = t.name and "
            "a.version = t.version where a.alias = 'champion' and a.name = ? and t.key = ?"
        )
        model = f"tunegate.{place.name}"
        champion = {key: store.execute(query, (model, f"tunegate.{key}")).fetchone()[0] for key in ("model", "run")}
        query = (
            "select count(*), min(r.status) from runs r join tags t on t.run_uuid = r.run_uuid "
            "join tags o on o.run_uuid = r.run_uuid and o.key = 'tunegate.role' and o.value = 'trial' "
            "where t.key = 'tunegate.run' and t.value = ?"
        )
        parents, status = store.execute(query, (last.run,)).fetchone()
    expected = {
        "the ledger's run is finished": last.state == "finished",
        "the ledger's purchase has ended": intent.state == "ENDED" and intent.job_state == "succeeded",
        "the ledger's job is the provider's": intent.job_id in jobs,
        "the ledger's model is the provider's": intent.model
        == jobs.get(str(intent.job_id), {}).get("fine_tuned_model"),
        "the champion is the ledger's model": champion["model"] == intent.model,
        "the champion's run is the ledger's": champion["run"] == last.run,
        "MLflow has one run of the trial, finished": (parents, status) == (1, "FINISHED"),
    }
    return [f"not so: {name}" for name, holds in expected.items() if not holds]


def _curated(folder: Path) -> str:
    """Hash of the curated rows; the file that they came from is where the test put it."""
    import pandas as pd

    rows = pd.read_parquet(folder / "curated.parquet")
    return hashlib.sha256(rows.drop(columns="file").to_json().encode()).hexdigest()


def _answers(folder: Path) -> str:
    """Hash of who answered what in which case; how long it took is another thing."""
    import pandas as pd

    answers = pd.read_parquet(folder / "answers.parquet", columns=["candidate", "case", "output", "outcome"])
    rows = sorted(answers.itertuples(index=False, name=None))
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
