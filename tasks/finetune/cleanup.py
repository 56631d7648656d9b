"""What a provider still holds of a purchase, deleted and looked for again: a deletion counts once it is proven."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

from tasks.clock import Clock
from tasks.errors import ConfigurationError, ProviderRefusedError, ProviderUnavailableError
from tasks.finetune.patience import patiently
from tasks.finetune.wait import NEW_PURCHASE
from tasks.ledger import Ledger
from tasks.ledger.rows import Deletion, Intent, IntentState
from tasks.providers.protocol import Provider

GONE_S = 60.0  # how long something deleted may still be shown


@dataclass(frozen=True)
class _Target:
    """Something to be deleted, and how."""

    kind: str
    id: str
    delete: Callable[[str], None]
    is_there: Callable[[str], bool] | None  # None: it cannot be looked for


@dataclass(frozen=True)
class CleanUp:
    """Deletes at one provider, on record in one ledger. What was deleted before is not asked for again."""

    provider: Provider
    ledger: Ledger
    clock: Clock

    def files(self, intent: Intent) -> list[Deletion]:
        """The uploaded files, if the provider lets one delete them; for a job that has ended."""
        return self._delete(intent, self._files(intent))

    def everything(self, intent: Intent) -> str | None:
        """Delete deployment, tuned model and files; a job that still runs is cancelled. The model's name, if any.

        Raises ConfigurationError where a parked purchase has to be settled before, ProviderUnavailableError where the
        provider is still cancelling the job.
        """
        if intent.state is IntentState.SUBMITTING:
            problem = "a paid request may be under way"
            remedy = f"Settle it first: `tunegate resume {intent.run} --found JOB`, or `--absent`."
            raise ConfigurationError(f"Purchase {intent.key}", problem, remedy)
        model = self._stop(intent)
        self._delete(intent, chain(self._model(model), self._files(intent)))
        return model

    def undeletable(self, intent: Intent, model: str | None) -> list[tuple[str, str]]:
        """Kind and id of what the provider's API cannot delete: only a person can, in its portal."""
        can = self.provider.capabilities
        files = [] if can.deletes_files else [("file", file) for file in sorted(_ids(intent))]
        return files if can.deletes_models or model is None else [("model", model), *files]

    def _stop(self, intent: Intent) -> str | None:
        """The model that the job made, if any; the job has ended when this returns."""
        if intent.job_id is None:
            return None
        job = self.provider.job(intent.job_id)
        if not job.has_ended:
            job = self.provider.cancel(job.id)
        if not job.has_ended:
            cause = f"its cancelling is under way at the provider ({job.raw_state}); nothing was deleted yet"
            raise ProviderUnavailableError(f"Purging job {job.id}", cause, "Purge again in some minutes.")
        return job.model or intent.model

    def _model(self, model: str | None) -> Iterator[_Target]:
        provider = self.provider
        if model and provider.capabilities.deploys:  # first: no provider deletes a model that is deployed
            yield _Target("deployment", model, provider.withdraw, None)
        if model and provider.capabilities.deletes_models:
            yield _Target("model", model, provider.delete_model, provider.has_model)

    def _files(self, intent: Intent) -> Iterator[_Target]:
        if self.provider.capabilities.deletes_files:
            for file in sorted(_ids(intent) - self._needed_by_others(intent)):
                yield _Target("file", file, self.provider.delete_file, self.provider.has_file)

    def _needed_by_others(self, intent: Intent) -> set[str]:
        """Some providers give equal bytes one id: a file may be that of another purchase under way."""
        others = (other for other in self.ledger.intents() if other.key != intent.key)
        return {file for other in others if other.state is not IntentState.ENDED for file in _ids(other)}

    def _delete(self, intent: Intent, targets: Iterator[_Target]) -> list[Deletion]:
        known = {(item.kind, item.id) for item in self.ledger.deletions(intent.key) if item.proven}
        found = []
        for target in targets:
            if (target.kind, target.id) not in known:
                target.delete(target.id)
                deletion = Deletion(intent.key, target.kind, target.id, self.clock.now(), self._is_gone(target))
                self.ledger.record_deletion(deletion)
                found.append(deletion)
        return found

    def _is_gone(self, target: _Target) -> bool:
        is_there = target.is_there
        if is_there is None:
            return False

        def look() -> None:
            if is_there(target.id):
                raise ProviderUnavailableError(f"Deleting {target.id}", "it is still there", "Look at the provider.")

        try:
            patiently(look, self.clock, patience_s=GONE_S)
        except ProviderUnavailableError:
            return False
        return True


def require_not_purged(intent: Intent, ledger: Ledger) -> None:
    """Raises ProviderRefusedError for a purchase whose model was deleted."""
    if any(item.kind == "model" for item in ledger.deletions(intent.key)):
        raise ProviderRefusedError(f"job {intent.job_id}", "purged", "its model was purged here", NEW_PURCHASE)


def _ids(intent: Intent) -> set[str]:
    return {file for file in (intent.training_file_id, intent.validation_file_id) if file}
