"""One account at the stub, the provider that talks to it, and what is bought there."""

import json
from typing import Any

from data_contracts.provider import ProviderSettings
from tasks.providers.protocol import JobRequest
from tasks.providers.together import Together
from tests.fake_clock import FakeClock
from tests.providers.together_account import BASE, LIFE, Account
from tests.providers.together_server import KEY

INTENT = "0123456789abcdef" * 4
OTHER_INTENT = "fedcba9876543210" * 4
ROWS = "".join(
    json.dumps({"messages": [{"role": "user", "content": f"row {n}"}, {"role": "assistant", "content": "yes"}]}) + "\n"
    for n in range(12)
).encode()
NAME = f"{INTENT}.jsonl"


def together(account: Account, clock: FakeClock | None = None, timeout_s: float = 10, **more: Any) -> Together:
    settings = ProviderSettings(name="together", request_timeout_s=timeout_s, **more)
    return Together(settings, f"{account.url}/v1", KEY, clock or FakeClock())


def order(training_file: str = "file-1", intent: str = INTENT, **more: Any) -> JobRequest:
    asked: dict[str, Any] = {
        "validation_file": None,
        "method": "supervised",
        "n_epochs": None,
        "batch_size": None,
        "seed": 7,
    }
    asked |= {"learning_rate_multiplier": None, "suffix": None, "metadata": {"intent": intent}, **more}
    return JobRequest(base_model=BASE, training_file=training_file, **asked)


def trained(provider: Together) -> str:
    """A tuned model, bought and waited for."""
    job = provider.create_job(order(provider.upload(NAME, ROWS)))
    for _ in LIFE:
        job = provider.job(job.id)
    assert job.model is not None
    return job.model
