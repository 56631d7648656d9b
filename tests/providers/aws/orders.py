"""What tests buy: a request for a job, and a provider's files for it."""

import hashlib
import json
from pathlib import Path
from typing import Any

from data_contracts.money import TrainingFile
from data_contracts.use_case import FineTune
from tasks.finetune.order import Order
from tasks.providers.aws.bedrock import Bedrock
from tasks.providers.aws.sagemaker import SageMaker
from tasks.providers.protocol import JobRequest

NOVA = "amazon.nova-lite-v1:0:300k"
INTENT = "ab" * 32


def record(number: int = 1, **changes: Any) -> dict[str, Any]:
    said = [("system", "Name the label."), ("user", f"Question {number}"), ("assistant", "card")]
    return {"messages": [{"role": role, "content": content} for role, content in said], **changes}


def file_of(*records: dict[str, Any], count: int = 12) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in records or map(record, range(count)))


def request(provider: Bedrock | SageMaker, content: bytes = b"", **changes: Any) -> JobRequest:
    """A request whose training file is uploaded."""
    wanted = {
        "base_model": NOVA,
        "training_file": provider.upload(f"{INTENT}.jsonl", content or file_of()),
        "validation_file": None,
        "method": "supervised",
        "n_epochs": 2,
        "batch_size": None,
        "learning_rate_multiplier": None,
        "seed": 7,
        "suffix": "support",
        "metadata": {"intent": INTENT, "attempt": "1", "use_case": "support intents", "run": "run-1"},
    }
    return JobRequest(**{**wanted, **changes})


def order(folder: Path, base_model: str = NOVA) -> Order:
    """An order of a run, whose training file lies in the folder."""
    path, content = folder / "training.jsonl", file_of()
    path.write_bytes(content)
    training = TrainingFile(str(path), hashlib.sha256(content).hexdigest(), examples=12, tokens=99)
    return Order("support", "run-1", training, None, FineTune(base_model=base_model, n_epochs=2, settle_s=600))
