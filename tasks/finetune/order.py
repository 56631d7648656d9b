"""What is bought: the order of a run, the hash that names the purchase, the request that is sent."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from data_contracts.money import TrainingFile
from data_contracts.use_case import FineTune
from tasks.ledger.rows import Intent
from tasks.providers.protocol import JobRequest, Provider

HYPERPARAMETERS = ("n_epochs", "batch_size", "learning_rate_multiplier")


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
    return hashlib.sha256(json.dumps(bought(order, provider), sort_keys=True).encode()).hexdigest()


def bought(order: Order, provider: Provider) -> dict[str, Any]:
    """What the intent covers, and the ledger keeps: hashes and settings, no row text."""
    fine_tune = order.fine_tune
    further = {name: getattr(fine_tune, name) for name in ("beta", "grader") if getattr(fine_tune, name) is not None}
    if fine_tune.hyperparameters:
        further["further_hyperparameters"] = fine_tune.hyperparameters
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
        **further,  # only where set: what an older release bought keeps its key
    }


def job_request(order: Order, intent: Intent) -> JobRequest:
    """What is asked of the provider for an intent whose files are uploaded."""
    wanted = order.fine_tune
    return JobRequest(
        base_model=wanted.base_model,
        training_file=str(intent.training_file_id),
        validation_file=intent.validation_file_id,
        method=wanted.method,
        n_epochs=wanted.n_epochs,
        batch_size=wanted.batch_size,
        learning_rate_multiplier=wanted.learning_rate_multiplier,
        seed=wanted.seed,
        suffix=wanted.suffix,
        beta=wanted.beta,
        grader=wanted.grader,
        hyperparameters=wanted.hyperparameters,
        metadata={
            "intent": intent.key,
            "attempt": str(intent.attempt),
            "use_case": order.use_case,
            "run": order.run,
        },
    )
