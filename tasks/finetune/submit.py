"""Buy one job, once. An answer that got lost is looked for, never asked for again.

The intent is on disk before anything is sent, the provider is searched before the first request, SUBMITTING is on disk
before each request, and whoever finds SUBMITTING searches: the job is found or the purchase parked, never repeated.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_contracts.money import Job, Submission, TrainingFile
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
from tasks.finetune.cleanup import CleanUp, require_not_purged
from tasks.finetune.offer import require_offered
from tasks.finetune.order import Order, bought, intent_key, job_request
from tasks.finetune.patience import patiently
from tasks.finetune.wait import refusal
from tasks.ledger import Ledger
from tasks.ledger.rows import Intent, IntentState
from tasks.providers.protocol import Provider
from tasks.run_folder import TamperedFileError

__all__ = ["Order", "SeveralJobsError", "assert_single_job", "conclude", "intent_key", "resolve", "submit"]

log = logging.getLogger("tunegate.submission")
NOTHING_ACCEPTED = (ProviderRefusedError, CredentialsError, ProviderUnavailableError, ConfigurationError)
DEAD = ("failed", "cancelled")
RESUBMISSIONS = 3  # at most so many requests for one intent where `when_unknown` says resubmit
Allow = Callable[[float | None], None]


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


def _allow(quote: float | None) -> None:
    """Whatever it costs."""


def submit(order: Order, provider: Provider, ledger: Ledger, clock: Clock, allow: Allow = _allow) -> Submission:
    """The one job of this order: bought now, or found where an earlier run or a lost answer left it.

    `allow` is told the provider's own quote in USD (None: it gives none) before each paid request, and may raise.
    Raises SubmissionParkedError where a request's fate is unknown, ProviderRefusedError where the job has failed,
    ConfigurationError where the provider cannot do what is ordered.
    """
    key = intent_key(order, provider)
    with ledger.lock(key, lambda: log.warning("another run is buying %s: waiting to attach to it", key)):
        intent = ledger.open_intent(key, order.use_case, order.run, bought(order, provider))
        return _Purchase(order, provider, ledger, clock, allow).go_on(intent)


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
    """Record how a job ended, and count what the intent has bought, which must be one; more is told, and on record."""
    ledger.advance(submission.intent, IntentState.ENDED, job_state=job.state, model=job.model)
    try:
        return assert_single_job(submission, provider)
    except SeveralJobsError as error:  # stopping would not bring the money back
        log.error("%s", error)
        return len(error.jobs)


def assert_single_job(submission: Submission, provider: Provider) -> int:
    """Jobs that the provider holds for the intent, dead ones aside; a late one that still lives is cancelled.

    Raises SeveralJobsError where more than one was paid.
    """
    jobs = provider.find_jobs(submission.intent, submission.training_file_id)
    paid = [job for job in jobs if job.state not in DEAD]
    for surplus in paid:
        if surplus.id != submission.job_id and surplus.state != "succeeded":
            log.warning("job %s of the same purchase came to light: cancelling it", surplus.id)
            provider.cancel(surplus.id)
    if len(paid) > 1:
        raise SeveralJobsError(submission.intent, [job.id for job in paid])
    return len(paid)


@dataclass(frozen=True)
class _Purchase:
    """The steps of one order. A process may die after any of them."""

    order: Order
    provider: Provider
    ledger: Ledger
    clock: Clock
    allow: Allow

    def go_on(self, intent: Intent) -> Submission:
        """From wherever an earlier attempt left it."""
        if intent.state in (IntentState.SUBMITTED, IntentState.ENDED):
            return self._attach(intent)
        if intent.state is IntentState.SUBMITTING:
            return self._reconcile(intent)
        require_offered(self.order.fine_tune, self.order.training, self.provider)
        if intent.state is IntentState.INTENT:
            intent = self._upload(intent)
        # Another host, or a ledger that was lost, may have bought it.
        if jobs := patiently(lambda: _jobs(self.provider, intent), self.clock):
            return self._adopt(intent, jobs)
        return self._buy(self._with_files(intent))

    def _buy(self, intent: Intent) -> Submission:
        quote = patiently(lambda: self.provider.quote(job_request(self.order, intent)), self.clock)
        intent = self.ledger.advance(intent.key, IntentState.UPLOADED, quote=quote)
        self.allow(quote)
        intent, job = patiently(lambda: self._ask_once(intent), self.clock)
        if job is None or not patiently(lambda: self._is_known(job), self.clock):
            found = self._reconcile(intent)
            return found.model_copy(update={"attached": False})  # it was this request that bought it
        return _submission(_record(self.ledger, intent.key, job), attached=False)

    def _with_files(self, intent: Intent) -> Intent:
        """A provider may have lost or deleted an upload since; what is bought is the same with a new one."""
        ids = [file for file in (intent.training_file_id, intent.validation_file_id) if file]
        there = patiently(lambda: all(self.provider.has_file(file) for file in ids), self.clock)
        return intent if there else self._upload(intent)

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

    def _ask_once(self, intent: Intent) -> tuple[Intent, Job | None]:
        """The paid request; None where its answer was lost. Only a definite no leads back from SUBMITTING."""
        intent = self.ledger.advance(intent.key, IntentState.SUBMITTING)
        try:
            return intent, self.provider.create_job(job_request(self.order, intent))
        except NOTHING_ACCEPTED:
            self.ledger.advance(intent.key, IntentState.UPLOADED)
            raise
        except AmbiguousAnswerError:
            return intent, None

    def _is_known(self, job: Job) -> bool:
        """Whether the provider knows the job that it answered with: an id that is not ours leads nowhere."""
        try:
            return self.provider.job(job.id).training_file == job.training_file
        except ProviderRefusedError:
            return False

    def _reconcile(self, intent: Intent) -> Submission:
        """Look for the job until the settling time, counted from the request, is over; then park, or buy again."""

        def look() -> Sequence[Job]:
            if jobs := _jobs(self.provider, intent):
                return jobs
            raise self._parked(intent)

        settle_s = self.order.fine_tune.settle_s - (self.clock.now() - intent.updated_at)
        log.warning("the answer to a paid request was lost: looking for its job for %.0f s", max(0.0, settle_s))
        try:
            jobs = patiently(look, self.clock, (ProviderUnavailableError, SubmissionParkedError), settle_s)
        except SubmissionParkedError:
            if self.order.fine_tune.when_unknown == "park" or intent.attempt >= RESUBMISSIONS:
                raise
            return self._resubmit(intent)
        return self._adopt(intent, jobs)

    def _resubmit(self, intent: Intent) -> Submission:
        """Buy again, on new files: a job that turns up late finds its training file gone and fails unpaid."""
        log.warning("no job was found for %s: buying again, as fine_tune.when_unknown says", intent.key)
        CleanUp(self.provider, self.ledger, self.clock).files(intent)
        return self._buy(self._upload(intent))

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
        require_not_purged(intent, self.ledger)
        return _submission(intent, attached=True)


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
