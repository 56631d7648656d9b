"""Buy one job, once. An answer that got lost is looked for, never asked for again.

The intent is on disk before anything is sent, the provider is searched before the first request, SUBMITTING is on disk
before each request, and whoever finds SUBMITTING searches: the job is found or the purchase parked, never repeated.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_contracts.money import Job, Submission, TrainingFile
from data_contracts.use_case import FineTune
from tasks.clock import Clock
from tasks.errors import (
    AmbiguousAnswerError,
    ConfigurationError,
    CredentialsError,
    ProviderRefusedError,
    ProviderUnavailableError,
    SubmissionParkedError,
    TunegateError,
)
from tasks.finetune.wait import patiently, refusal
from tasks.ledger import Ledger
from tasks.ledger.rows import Intent, IntentState
from tasks.providers.protocol import JobRequest, Provider
from tasks.run_folder import TamperedFileError

log = logging.getLogger("tunegate.submission")
NOTHING_ACCEPTED = (ProviderRefusedError, CredentialsError, ProviderUnavailableError)
DEAD = ("failed", "cancelled")
HYPERPARAMETERS = ("n_epochs", "batch_size", "learning_rate_multiplier")


class SeveralJobsError(TunegateError):
    """More than one job was paid for one intent."""

    def __init__(self, intent: str, jobs: Sequence[str]) -> None:
        super().__init__(intent, jobs)
        self.intent, self.jobs = intent, jobs

    def __str__(self) -> str:
        return (
            f"Purchase {self.intent} has {len(self.jobs)} jobs at the provider where it should have one: "
            f"{', '.join(self.jobs)}. Somebody else trains on its file, or this is a bug: cancel there what you can."
        )


@dataclass(frozen=True)
class Order:
    """What a run wants to buy."""

    use_case: str
    run: str
    training: TrainingFile
    validation: TrainingFile | None
    fine_tune: FineTune


def intent_key(order: Order, provider: Provider) -> str:
    """Hash of what is bought, where, and for which use case; the run and the tuned model's suffix do not count."""
    return hashlib.sha256(json.dumps(_bought(order, provider), sort_keys=True).encode()).hexdigest()


def submit(order: Order, provider: Provider, ledger: Ledger, clock: Clock) -> Submission:
    """The one job of this order: bought now, or found where an earlier run or a lost answer left it.

    Raises SubmissionParkedError where a request's fate is unknown, ProviderRefusedError where the job has failed.
    """
    key = intent_key(order, provider)
    with ledger.lock(key, lambda: log.warning("another run is buying %s: waiting to attach to it", key)):
        intent = ledger.open_intent(key, order.use_case, order.run, _bought(order, provider))
        return _Purchase(order, provider, ledger, clock).go_on(intent)


def resolve(key: str, ledger: Ledger, provider: Provider, found: str | None) -> Intent:
    """Answer what a parked submission asks: the job that a person found, or None where there is none; then run again.

    Both are checked at the provider. Raises ConfigurationError where nothing is parked or the job is another one.
    """
    with ledger.lock(key):
        intent = ledger.intent(key)
        if intent is None or intent.state is not IntentState.SUBMITTING:
            raise ConfigurationError(f"Purchase {key}", "is not parked", "`tunegate status` lists what is.")
        if found is not None:
            return _record(ledger, key, _checked(provider.job(found), intent))
        if jobs := _jobs(provider, intent):
            return _record(ledger, key, _only_one(jobs, provider))
        return ledger.advance(key, IntentState.UPLOADED)


def conclude(submission: Submission, job: Job, provider: Provider, ledger: Ledger) -> int:
    """Record how a job ended, and count what the intent has bought, which must be one."""
    ledger.advance(submission.intent, IntentState.ENDED, job_state=job.state, model=job.model)
    return assert_single_job(submission, provider)


def assert_single_job(submission: Submission, provider: Provider) -> int:
    """Jobs that the provider holds for the intent, cancelled ones aside. Raises SeveralJobsError above one."""
    jobs = provider.find_jobs(submission.intent, submission.training_file_id)
    paid = [job.id for job in jobs if job.state != "cancelled"]
    if len(paid) > 1:
        raise SeveralJobsError(submission.intent, paid)
    return len(paid)


@dataclass(frozen=True)
class _Purchase:
    """The steps of one order. A process may die after any of them."""

    order: Order
    provider: Provider
    ledger: Ledger
    clock: Clock

    def go_on(self, intent: Intent) -> Submission:
        """From wherever an earlier attempt left it."""
        if intent.state in (IntentState.SUBMITTED, IntentState.ENDED):
            return self._attach(intent)
        if intent.state is IntentState.SUBMITTING:
            return self._reconcile(intent)
        if intent.state is IntentState.INTENT:
            intent = self._upload(intent)
        # Another host, or a ledger that was lost, may have bought it.
        if jobs := patiently(lambda: _jobs(self.provider, intent), self.clock):
            return self._adopt(intent, jobs)
        return patiently(lambda: self._ask_once(intent), self.clock)

    def _upload(self, intent: Intent) -> Intent:
        key, validation = intent.key, self.order.validation
        return self.ledger.advance(
            key,
            IntentState.UPLOADED,
            training_file_id=self._file(self.order.training, f"{key}.jsonl"),
            validation_file_id=self._file(validation, f"{key}.validation.jsonl") if validation else None,
        )

    def _file(self, file: TrainingFile, name: str) -> str:
        """Id of the file at the provider. A second copy costs nothing: after a lost answer look, then try again."""
        content = Path(file.path).read_bytes()
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise TamperedFileError(file.path, "was changed after it was written")

        def find_or_upload() -> str:
            return self.provider.find_file(name, content) or self.provider.upload(name, content)

        return patiently(find_or_upload, self.clock, retry_on=(ProviderUnavailableError, AmbiguousAnswerError))

    def _ask_once(self, intent: Intent) -> Submission:
        """The paid request. Only a definite no leads back from SUBMITTING to a state from which it may be sent."""
        intent = self.ledger.advance(intent.key, IntentState.SUBMITTING)
        try:
            job = self.provider.create_job(self._request(intent))
        except NOTHING_ACCEPTED:
            self.ledger.advance(intent.key, IntentState.UPLOADED)
            raise
        except AmbiguousAnswerError:
            found = self._reconcile(intent)
            return found.model_copy(update={"attached": False})  # it was this request that bought it
        return _submission(_record(self.ledger, intent.key, job), attached=False)

    def _request(self, intent: Intent) -> JobRequest:
        bought = self.order.fine_tune
        return JobRequest(
            base_model=bought.base_model,
            training_file=str(intent.training_file_id),
            validation_file=intent.validation_file_id,
            method=bought.method,
            n_epochs=bought.n_epochs,
            batch_size=bought.batch_size,
            learning_rate_multiplier=bought.learning_rate_multiplier,
            seed=bought.seed,
            suffix=bought.suffix,
            metadata={
                "intent": intent.key,
                "attempt": str(intent.attempt),
                "use_case": self.order.use_case,
                "run": self.order.run,
            },
        )

    def _reconcile(self, intent: Intent) -> Submission:
        """Look for the job until the settling time, counted from the request, is over; then park."""

        def look() -> Sequence[Job]:
            if jobs := _jobs(self.provider, intent):
                return jobs
            raise self._parked(intent)

        settle_s = self.order.fine_tune.settle_s - (self.clock.now() - intent.updated_at)
        log.warning("the answer to a paid request was lost: looking for its job for %.0f s", max(0.0, settle_s))
        jobs = patiently(look, self.clock, (ProviderUnavailableError, SubmissionParkedError), settle_s)
        return self._adopt(intent, jobs)

    def _parked(self, intent: Intent) -> SubmissionParkedError:
        return SubmissionParkedError(
            f"Purchase {intent.key} (run {self.order.run})",
            "a paid request was sent, its answer was lost, and the provider lists no job for it",
            f"Look there for a job with `intent` {intent.key} in its metadata or training file "
            f"{intent.training_file_id}, then `tunegate resume {self.order.run} --found JOB`, or `--absent` if there "
            "is none. Until then nothing more is bought.",
        )

    def _adopt(self, intent: Intent, jobs: Sequence[Job]) -> Submission:
        job = _only_one(jobs, self.provider)
        return self._attach(_record(self.ledger, intent.key, job))

    def _attach(self, intent: Intent) -> Submission:
        """To a job that lives or has succeeded. One that failed is not bought again without being told to."""
        if intent.job_state in DEAD:
            raise refusal(self.provider.job(str(intent.job_id)))
        return _submission(intent, attached=True)


def _bought(order: Order, provider: Provider) -> dict[str, Any]:
    """What the intent covers, and the ledger keeps: hashes and settings, no row text."""
    fine_tune = order.fine_tune
    return {
        "provider": provider.name,
        "base_url": provider.base_url,
        "account": provider.account,
        "use_case": order.use_case,
        "training_sha256": order.training.sha256,
        "validation_sha256": order.validation.sha256 if order.validation else None,
        "base_model": fine_tune.base_model,
        "method": fine_tune.method,
        "hyperparameters": fine_tune.model_dump(include=set(HYPERPARAMETERS)),
        "seed": fine_tune.seed,
        "generation": fine_tune.generation,
    }


def _jobs(provider: Provider, intent: Intent) -> Sequence[Job]:
    return provider.find_jobs(intent.key, str(intent.training_file_id))


def _only_one(jobs: Sequence[Job], provider: Provider) -> Job:
    """The oldest job that lives or has succeeded, the others cancelled; the oldest of all where none does."""
    alive = [job for job in jobs if job.state not in DEAD]
    for surplus in alive[1:]:
        log.warning(
            "job %s was bought twice: keeping %s, cancelling %s", alive[0].training_file, alive[0].id, surplus.id
        )
        provider.cancel(surplus.id)
    return (alive or list(jobs))[0]


def _checked(job: Job, intent: Intent) -> Job:
    if job.metadata.get("intent") == intent.key or job.training_file == intent.training_file_id:
        return job
    problem = f"trains on {job.training_file}, and this purchase uploaded {intent.training_file_id}"
    raise ConfigurationError(f"--found {job.id}", problem, "Give the job that carries this intent, or --absent.")


def _record(ledger: Ledger, key: str, job: Job) -> Intent:
    return ledger.advance(key, IntentState.SUBMITTED, job_id=job.id, job_state=job.state)


def _submission(intent: Intent, attached: bool) -> Submission:
    return Submission(
        intent=intent.key,
        job_id=str(intent.job_id),
        attached=attached,
        training_file_id=str(intent.training_file_id),
        validation_file_id=intent.validation_file_id,
    )
