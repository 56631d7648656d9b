"""One registry line a use case, `tunegate.<use case>`: a prompt or a tuned model, whichever won."""

import hashlib
import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_contracts.candidate import Candidate
from data_contracts.contest import Registration
from data_contracts.money import JobEvent
from data_contracts.records import as_json
from data_contracts.trial import TrialRecord
from tasks.errors import ResumableError
from tasks.register import metrics, runs
from tasks.register.prompt_registry import PromptRegistry
from tasks.register.store import ABSENT, Store, reachable

SERVED_MODEL = Path(__file__).with_name("served_model.py")
ABOUT = (
    "Whatever answers best for `{use_case}`: a prompt on a base model, or a fine-tuned model. A version "
    "becomes `champion` only through a trial on test cases that neither has seen; each version says which."
)


@dataclass(frozen=True)
class Incumbent:
    """Who stands behind an alias, at which version, and the purchase that it came from; empty for a prompt."""

    candidate: Candidate
    version: int
    intent: str = ""


@dataclass(frozen=True)
class Logged:
    """A candidate's nested run, and its prompt's version in the prompt registry; None: too long to stand there."""

    run_id: str
    prompt: int | None


class Registry:
    """Champion and challenger of one use case, and the runs that made them so."""

    def __init__(self, use_case: str) -> None:
        self.store = Store(use_case)
        self.client = self.store.client
        self.prompts = PromptRegistry(self.store)
        self.name = f"tunegate.{use_case}"

    @reachable()
    def champion(self) -> Incumbent | None:
        """Who stands behind the champion alias, if anybody does; a registry out of reach is no such answer."""
        return self._incumbent("champion")

    @reachable()
    def challenger(self) -> Incumbent | None:
        """Who stands behind the challenger alias."""
        return self._incumbent("challenger")

    @reachable()
    def examples(self, champion: Incumbent) -> bytes:
        """The Parquet file of the champion's few-shot examples: in its version, or where its own run left it."""
        import mlflow

        with tempfile.TemporaryDirectory() as folder:
            uri = f"models:/{self.name}/{champion.version}"
            stored = Path(mlflow.artifacts.download_artifacts(uri, dst_path=folder)) / "artifacts"
            decision = json.loads((stored / "decision.json").read_text(encoding="utf-8"))
            left = Path(decision["train_examples"])
            path = next((file for file in (stored / left.name, left) if file.is_file()), None)
            content = path.read_bytes() if path else b""
        expected = champion.candidate.examples
        if not content or expected not in {"", hashlib.sha256(content).hexdigest()}:
            cause = f"the few-shot examples of champion version {champion.version} are neither in it nor in {left}"
            remedy = "Bring that file back, or delete the alias champion if nobody needs it, then resume."
            raise ResumableError(f"Evaluating {self.name}", cause, remedy)
        return content

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
    def register(self, trial: TrialRecord, run_id: str, found: int | None = None) -> Registration:
        """Record the trial, register who matters, move the aliases and read them back.

        Without a champion the best prompt becomes it first, also where a tune takes its place at once. A champion
        that stays is left as it is. `found` is the champion's version as the trial found it.
        """
        runs.log_trial(self.store, trial, run_id)
        logged = self._log_candidates(trial, run_id)
        champion = self._crown(trial, logged, found)
        challenger = self._challenge(trial, logged, champion)
        self.prompts.follow(self.client.get_model_version(self.name, str(champion)).tags)
        return Registration(
            registered_model=self.name,
            champion_version=champion,
            challenger_version=challenger,
            run_id=run_id,
            experiment_id=self.store.experiment_id,
            model_uri=f"models:/{self.name}@champion",
        )

    def _log_candidates(self, trial: TrialRecord, parent: str) -> dict[str, Logged]:
        prompts, logged = self.prompts.register(trial), {}
        for scores in trial.comparison.candidates:
            run_id = runs.log_candidate(self.store, trial, scores, parent)
            prompt = prompts.get(scores.candidate.prompt.digest)
            if prompt is not None:
                self.prompts.link(prompt, run_id)
            logged[scores.candidate.name] = Logged(run_id, prompt)
        return logged

    def _crown(self, trial: TrialRecord, logged: dict[str, Logged], found: int | None) -> int:
        """The champion's version. Its alias moves for a first champion or a promotion, and from where it was found."""
        verdict = trial.verdict
        now = self._aliased("champion")
        if now is not None and verdict.decision != "promote" and not verdict.first_champion:
            return now
        expected = {found, *self._versions(_candidate(trial, verdict.reference).digest)}
        expected |= {*self._versions(verdict.winner.digest)}
        if now is not None and now not in expected:
            cause = f"alias champion points to version {now}, not to {found}: another run moved it meanwhile"
            remedy = "Start a new trial against that champion; or point the alias back, then resume."
            raise ResumableError(f"Registering {self.name}", cause, remedy)
        if verdict.first_champion and verdict.reference != verdict.winner.name:
            reference = self._version(trial, verdict.reference, logged, "reference")
            if now not in self._versions(verdict.winner.digest):
                self._point("champion", reference)
        winner = self._version(trial, verdict.winner.name, logged, "winner")
        self._point("champion", winner)
        return winner

    def _challenge(self, trial: TrialRecord, logged: dict[str, Logged], champion: int) -> int | None:
        """The version that got furthest of the others; one that is champion by now keeps its story."""
        challenger = trial.verdict.challenger
        if challenger is None:
            return None
        known = self._versions(challenger.digest)
        version = champion if champion in known else self._version(trial, challenger.name, logged, "challenger")
        self._point("challenger", version)
        return version

    def _version(self, trial: TrialRecord, name: str, logged: dict[str, Logged], role: str) -> int:
        """The version that holds this very candidate, made once; it tells of the trial that gave it its role."""
        candidate = _candidate(trial, name)
        tags = {**_tags(trial, candidate), "tunegate.role": role}
        prompt = logged[name].prompt
        if prompt is not None:
            tags["tunegate.prompt_version"] = self.prompts.uri(prompt)
        known = self._versions(candidate.digest)
        if known:
            self._retell(known[0], tags, trial.verdict.markdown)
            return known[0]
        model_uri, model_id = self._log_model(trial, candidate, logged[name].run_id)
        version = self.client.create_model_version(
            self.name,
            source=model_uri,
            run_id=logged[name].run_id,
            model_id=model_id,
            tags=tags,
            description=trial.verdict.markdown,
        )
        return int(version.version)

    def _retell(self, version: int, tags: dict[str, str], description: str) -> None:
        told = self.client.get_model_version(self.name, str(version)).tags
        for name, value in tags.items() - told.items():
            self.client.set_model_version_tag(self.name, str(version), name, value)
        self.client.update_model_version(self.name, str(version), description)

    def _incumbent(self, alias: str) -> Incumbent | None:
        import mlflow

        version = self._aliased(alias)
        if version is None:
            return None
        found = self.client.get_model_version(self.name, str(version))
        plain = mlflow.artifacts.load_dict(f"runs:/{found.run_id}/candidate.json")
        return Incumbent(Candidate.model_validate(plain), version, found.tags.get("tunegate.intent", ""))

    def _aliased(self, alias: str) -> int | None:
        from mlflow.exceptions import MlflowException

        try:
            return int(self.client.get_model_version_by_alias(self.name, alias).version)
        except MlflowException as error:
            if error.error_code in ABSENT:
                return None
            raise

    def _versions(self, digest: str) -> list[int]:
        """Versions that hold the candidate of that digest: one, or none yet."""
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(self.name, description=ABOUT.format(use_case=self.store.use_case))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        wanted = f"name = '{self.name}' and tags.`tunegate.digest` = '{digest}'"
        return sorted(int(version.version) for version in self.client.search_model_versions(wanted))

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


def _candidate(trial: TrialRecord, name: str) -> Candidate:
    return next(item.candidate for item in trial.comparison.candidates if item.candidate.name == name)


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
        **{name: f"{value:.6g}" for name, value in metrics.headline(scores).items()},
    }
    if candidate.examples:
        tags["examples"] = candidate.examples
    if trial.tuned and candidate.kind == "tune" and trial.tuned.asked_as == candidate.model:
        tags |= {"intent": trial.tuned.submission.intent, "job": trial.tuned.submission.job_id}
    return {f"tunegate.{name}": value for name, value in tags.items()}


def _decision(trial: TrialRecord, candidate: Candidate) -> dict[str, Any]:
    """The decision record: how to answer, and why this one may."""
    return {
        "candidate": as_json(candidate),
        "kind": trial.case.use_case.kind.value,
        "provider": as_json(trial.case.use_case.provider_at(candidate.endpoint)),
        "contract": as_json(trial.case.contract),
        "labels": trial.labels,
        "train_examples": trial.train_examples,
        "verdict": as_json(trial.verdict),
        "comparison": as_json(trial.comparison),
    }
