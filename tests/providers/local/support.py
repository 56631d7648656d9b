"""What the tests of the embedded provider share: a client, a training file, a way to wait for a job."""

import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

from openai import OpenAI
from openai.types.fine_tuning import FineTuningJob

T = TypeVar("T")
BASE = "local-base-small"
DATED = "local-base-small-2026-06-01"
LABELS = {"refund": "money back for order", "delivery": "where is parcel", "login": "cannot sign in with password"}


def client(url: str, key: str = "any", strict: bool = True) -> OpenAI:
    """The real SDK, without the retries that would hide a fault. Strict, it refuses a status it does not know."""
    return OpenAI(base_url=url, api_key=key, max_retries=0, timeout=10, _strict_response_validation=strict)


def example(number: int) -> dict[str, Any]:
    """One training example; three labels take turns."""
    label = list(LABELS)[number % 3]
    question = {"role": "user", "content": f"{LABELS[label]} number {number}"}
    return {"messages": [question, {"role": "assistant", "content": label}]}


def training_bytes(count: int = 30) -> bytes:
    """A training file."""
    return b"".join(json.dumps(example(number)).encode() + b"\n" for number in range(count))


def upload(openai: OpenAI, content: bytes | None = None) -> str:
    """Id of an uploaded training file."""
    return openai.files.create(file=("training.jsonl", content or training_bytes()), purpose="fine-tune").id


def create_job(openai: OpenAI, training_file: str | None = None, **parameters: Any) -> FineTuningJob:
    """A job on the small base model."""
    chosen = {"model": BASE, "training_file": training_file or upload(openai), "seed": 7, **parameters}
    return openai.fine_tuning.jobs.create(**chosen)


def wait_for(openai: OpenAI, job_id: str, *statuses: str) -> FineTuningJob:
    """The job once it is in one of the states, at most half a minute later."""
    job = until(lambda: openai.fine_tuning.jobs.retrieve(job_id), lambda job: job.status in (*statuses, "failed"))
    assert job.status in statuses, job.error
    return job


def until(look: Callable[[], T], enough: Callable[[T], bool], seconds: float = 30) -> T:
    """What `look` finds once it is enough."""
    deadline = time.monotonic() + seconds
    while not enough(found := look()):
        assert time.monotonic() < deadline, f"still {found} after {seconds} s"
        time.sleep(0.05)
    return found
