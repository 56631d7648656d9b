"""One registry line a use case, `tunegate.<use case>`: a prompt or a tuned model, whichever won."""

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from data_contracts.candidate import Candidate
from data_contracts.contest import Registration
from data_contracts.money import JobEvent
from data_contracts.records import as_json
from data_contracts.trial import TrialRecord
from tasks.errors import ResumableError
from tasks.register import runs
from tasks.register.store import ABSENT, Store, reachable

SERVED_MODEL = Path(__file__).with_name("served_model.py")
ABOUT = (
    "Whatever answers best for `{use_case}`: a prompt on a base model, or a fine-tuned model. A version "
    "becomes `champion` only through a trial on test cases that neither has seen; each version says which."
)


class Registry:
    """Champion and challenger of one use case, and the runs that made them so."""

    def __init__(self, use_case: str) -> None:
        self.store = Store(use_case)
        self.client = self.store.client
        self.name = f"tunegate.{use_case}"

    @reachable()
    def champion(self) -> Candidate | None:
        """Who stands behind the champion alias, if anybody does; a registry out of reach is no such answer."""
        import mlflow
        from mlflow.exceptions import MlflowException

        try:
            version = self.client.get_model_version_by_alias(self.name, "champion")
        except MlflowException as error:
            if error.error_code in ABSENT:
                return None
            raise
        return Candidate.model_validate(mlflow.artifacts.load_dict(f"runs:/{version.run_id}/candidate.json"))

    @reachable()
    def open_trial(self, run: str, tags: dict[str, str]) -> str:
        """Id of the trial's parent run; the same one when the trial is resumed."""
        return runs.open_trial(self.store, run, tags)

    @reachable()
    def log_events(self, run_id: str, events: Iterable[JobEvent]) -> None:
        """Loss and accuracy of a waiting job, a point a step."""
        runs.log_events(self.store, run_id, events)

    @reachable()
    def close(self, run_id: str, status: str) -> None:
        """End the parent run as FINISHED or FAILED."""
        self.client.set_terminated(run_id, status)

    @reachable()
    def register(self, trial: TrialRecord, run_id: str) -> Registration:
        """Record the trial, register who matters, move the aliases and read them back.

        Without a champion the best prompt becomes it first, also where a tune takes its place at once.
        """
        runs.log_trial(self.store, trial, run_id)
        logged = {
            scores.candidate.name: runs.log_candidate(self.store, trial, scores, run_id)
            for scores in trial.comparison.candidates
        }
        verdict = trial.verdict
        if verdict.first_champion:
            self._point("champion", self._version(trial, verdict.reference, logged))
        winner = self._version(trial, verdict.winner.name, logged)
        self._point("champion", winner)
        challenger = self._version(trial, verdict.challenger.name, logged) if verdict.challenger else None
        if challenger is not None:
            self._point("challenger", challenger)
        return Registration(
            registered_model=self.name,
            champion_version=winner,
            challenger_version=challenger,
            run_id=run_id,
            experiment_id=self.store.experiment_id,
            model_uri=f"models:/{self.name}@champion",
        )

    def _version(self, trial: TrialRecord, name: str, logged: dict[str, str]) -> int:
        """The version that holds this very candidate; made once, whatever crashed in between."""
        candidate = next(item.candidate for item in trial.comparison.candidates if item.candidate.name == name)
        known = self._versions(candidate.digest)
        if known:
            return int(known[0].version)
        model_uri, model_id = self._log_model(trial, candidate, logged[name])
        version = self.client.create_model_version(
            self.name,
            source=model_uri,
            run_id=logged[name],
            model_id=model_id,
            tags=_tags(trial, candidate),
            description=trial.verdict.markdown,
        )
        return int(version.version)

    def _versions(self, digest: str) -> list[Any]:
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(self.name, description=ABOUT.format(use_case=self.store.use_case))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return list(self.client.search_model_versions(f"name = '{self.name}' and tags.`tunegate.digest` = '{digest}'"))

    def _log_model(self, trial: TrialRecord, candidate: Candidate, run_id: str) -> tuple[str, str]:
        import mlflow

        with tempfile.TemporaryDirectory() as folder, mlflow.start_run(run_id=run_id):
            decision = Path(folder) / "decision.json"
            decision.write_text(json.dumps(_decision(trial, candidate), ensure_ascii=False), encoding="utf-8")
            artifacts = {"decision": str(decision)}
            if candidate.prompt.few_shot.count and trial.case.use_case.text_policy.few_shot_in_registry:
                artifacts["examples"] = trial.train_examples
            info = mlflow.pyfunc.log_model(
                name=self.store.use_case,
                python_model=str(SERVED_MODEL),
                artifacts=artifacts,
                model_config={"model": candidate.model, "prompt": candidate.prompt.name},
                pip_requirements=["tunegate"],  # given, or MLflow spends seconds on guessing them
            )
        return info.model_uri, info.model_id

    def _point(self, alias: str, version: int) -> None:
        self.client.set_registered_model_alias(self.name, alias, str(version))
        found = int(self.client.get_model_version_by_alias(self.name, alias).version)
        if found != version:  # MLflow has no compare-and-set: the last writer wins
            cause = f"alias {alias} points to version {found}, not to {version}: another run moved it meanwhile"
            raise ResumableError(f"Registering {self.name}", cause, "See which of the two you want, then resume.")


def _tags(trial: TrialRecord, candidate: Candidate) -> dict[str, str]:
    """What an auditor filters versions by; MLflow shows no metrics on a version's page, so they stand here too."""
    scores = next(item for item in trial.comparison.candidates if item.candidate == candidate)
    tags = {
        "digest": candidate.digest,
        "kind": candidate.kind,
        "model": candidate.model,
        "prompt": candidate.prompt.name,
        "prompt_digest": candidate.prompt.digest,
        "run": trial.run,
        "verdict": trial.verdict.decision,
        "test_sha256": trial.comparison.test_sha256,
        **{name: f"{value:.6g}" for name, value in runs.metrics_of(scores).items()},
    }
    if trial.tuned and trial.tuned.model == candidate.model:
        tags |= {"intent": trial.tuned.submission.intent, "job": trial.tuned.submission.job_id}
    return {f"tunegate.{name}": value for name, value in tags.items()}


def _decision(trial: TrialRecord, candidate: Candidate) -> dict[str, Any]:
    """The decision record: how to answer, and why this one may."""
    return {
        "candidate": as_json(candidate),
        "kind": trial.case.use_case.kind.value,
        "provider": as_json(trial.case.use_case.provider),
        "contract": as_json(trial.case.contract),
        "labels": trial.labels,
        "train_examples": trial.train_examples,
        "verdict": as_json(trial.verdict),
        "comparison": as_json(trial.comparison),
    }
