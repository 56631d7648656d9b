"""One registry line a use case, `tunegate.<use case>`: a prompt or a tuned model, whichever won."""

import hashlib
import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from data_contracts.candidate import Candidate
from data_contracts.consent import Consent
from data_contracts.contest import Registration
from data_contracts.money import JobEvent
from data_contracts.records import as_json
from data_contracts.trial import TrialRecord
from tasks.errors import ResumableError
from tasks.ledger import Ledger
from tasks.register import metrics, promotion, runs
from tasks.register.answering_model import log_answering_model
from tasks.register.crowning import NOBODY_ASKED, Decided, challenge, crown
from tasks.register.prompt_registry import PromptRegistry
from tasks.register.store import Store, reachable

DECLINED = "tunegate.declined"
MAX_STORY = 3500  # characters: MLflow takes 5,000, and the lineage comes below it
EXAMPLES_NOW = "tunegate.examples_now"  # what is left of few-shot examples after rows were forgotten
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
        told = self.client.get_model_version(self.name, str(champion.version)).tags
        expected = {champion.candidate.examples, told.get(EXAMPLES_NOW, "unchanged")}
        if not content or not expected & {"", hashlib.sha256(content).hexdigest()}:
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
    def show_file(self, run_id: str, file: Path) -> str:
        """Put a file into a run's artifacts; the id of its experiment."""
        self.client.log_artifact(run_id, str(file))
        return self.store.experiment_id

    @reachable()
    def decision(self, version: int) -> dict[str, Any]:
        """The decision record of a version: how it answers, and why it may."""
        import mlflow

        found = mlflow.artifacts.load_dict(f"models:/{self.name}/{version}/artifacts/decision.json")
        return dict(found)

    @reachable()
    def told(self, version: int) -> dict[str, str]:
        """The tags of a version, without `tunegate.`; empty where there is no such version."""
        wanted = f"name = '{self.name}'"
        found = {int(one.version): one.tags for one in self.client.search_model_versions(wanted)}
        return {name.removeprefix("tunegate."): value for name, value in found.get(version, {}).items()}

    @reachable()
    def close(self, run_id: str, status: str) -> None:
        """End the parent run as FINISHED or FAILED."""
        self.client.set_terminated(run_id, status)

    @reachable()
    def register(
        self, trial: TrialRecord, run_id: str, found: int | None = None, consent: Consent = NOBODY_ASKED
    ) -> Registration:
        """Record the trial, register who matters, move the aliases; under the lock of `promotion.lock_key`.

        Without a champion the best prompt becomes it first, also where a tune takes its place at once. A champion
        that stays is left as it is, and so is one that somebody keeps by a no. `found` is its version as the trial
        found it.
        """
        ledger = Ledger()
        promotion.settle(self, ledger)
        runs.log_trial(self.store, trial, run_id)
        logged = self._log_candidates(trial, run_id)
        decided = Decided(trial, consent, found)
        champion = crown(self, ledger, decided, partial(self._version, decided, logged))
        challenger = challenge(self, decided, champion, partial(self._version, decided, logged))
        if champion is not None:
            self.prompts.follow(self.client.get_model_version(self.name, str(champion)).tags)
        self.client.set_tag(run_id, "tunegate.promotion", consent.sentence)
        return Registration(
            registered_model=self.name,
            champion_version=champion,
            challenger_version=challenger,
            run_id=run_id,
            experiment_id=self.store.experiment_id,
            model_uri=f"models:/{self.name}@{'challenger' if champion is None else 'champion'}",
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

    def _version(self, decided: Decided, logged: dict[str, Logged], name: str, role: str) -> int:
        """The version that holds this very candidate, made once; it tells of the trial that gave it its role."""
        trial = decided.trial
        candidate = _candidate(trial, name)
        tags = {**_tags(trial, candidate), "tunegate.role": role}
        if decided.declined and candidate == trial.verdict.winner:
            tags[DECLINED] = decided.consent.declined
        prompt = logged[name].prompt
        if prompt is not None:
            tags["tunegate.prompt_version"] = self.prompts.uri(prompt)
        known = self.versions(candidate.digest)
        if known:
            self._retell(known[0], tags, _story(trial, candidate))
            return known[0]
        model_uri, model_id = self._log_model(trial, candidate, logged[name].run_id)
        version = self.client.create_model_version(
            self.name,
            source=model_uri,
            run_id=logged[name].run_id,
            model_id=model_id,
            tags=tags,
            description=_story(trial, candidate),
        )
        return int(version.version)

    def _retell(self, version: int, tags: dict[str, str], description: str) -> None:
        told = self.client.get_model_version(self.name, str(version)).tags
        for name, value in tags.items() - told.items():
            self.client.set_model_version_tag(self.name, str(version), name, value)
        if DECLINED in told and DECLINED not in tags:
            self.client.delete_model_version_tag(self.name, str(version), DECLINED)
        self.client.update_model_version(self.name, str(version), description)

    def _incumbent(self, alias: str) -> Incumbent | None:
        import mlflow

        version = promotion.aliased(self, alias)
        if version is None:
            return None
        found = self.client.get_model_version(self.name, str(version))
        plain = mlflow.artifacts.load_dict(f"runs:/{found.run_id}/candidate.json")
        return Incumbent(Candidate.model_validate(plain), version, found.tags.get("tunegate.intent", ""))

    def versions(self, digest: str) -> list[int]:
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
        shown = candidate.prompt.few_shot.count and trial.case.use_case.text_policy.few_shot_in_registry
        examples = trial.train_examples if shown else ""
        info = log_answering_model(self.store.use_case, run_id, candidate, _decision(trial, candidate), examples)
        return info.model_uri, info.model_id


def _candidate(trial: TrialRecord, name: str) -> Candidate:
    return next(item.candidate for item in trial.comparison.candidates if item.candidate.name == name)


def _story(trial: TrialRecord, candidate: Candidate) -> str:
    """A version's description: MLflow's list of versions shows its first line, its own page all of it."""
    verdict = trial.verdict
    line = f"{candidate.name}, {trial.comparison.figure(candidate)}; {verdict.decision} by {trial.run}"
    return f"{line}\n\n{verdict.markdown}"[:MAX_STORY]


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
