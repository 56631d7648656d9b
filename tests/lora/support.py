"""What the tests of a server with models of its own share: the SDK, jobs, answers, processes."""

import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

from openai import OpenAI
from openai.types.fine_tuning import FineTuningJob

ENDED = ("succeeded", "failed", "cancelled")
LEARNS = {"n_epochs": 12, "batch_size": 16}


def client(url: str) -> OpenAI:
    """The SDK without retries, patient enough for a model that is loaded first."""
    return OpenAI(base_url=url, api_key="any", max_retries=0, timeout=120)


def start(openai: OpenAI, content: bytes, method: str = "supervised", **hyperparameters: Any) -> FineTuningJob:
    """A job on the tiny model."""
    chosen = {"type": method, method: {"hyperparameters": {**LEARNS, **hyperparameters}}}
    file = openai.files.create(file=("training.jsonl", content), purpose="fine-tune").id
    return openai.fine_tuning.jobs.create(model="tiny", training_file=file, seed=7, suffix="tickets", method=chosen)


def ended(openai: OpenAI, job_id: str) -> FineTuningJob:
    """The job in its last state."""
    return until(lambda: openai.fine_tuning.jobs.retrieve(job_id), lambda job: job.status in ENDED)


def steps(openai: OpenAI, job_id: str) -> list[dict[str, Any]]:
    """Its metrics, oldest first."""
    events = list(openai.fine_tuning.jobs.list_events(job_id, limit=100))
    return [dict(event.data) for event in reversed(events) if event.type == "metrics"]


def answer(openai: OpenAI, model: str, text: str, **parameters: Any) -> str:
    """What a model says to one user message."""
    asked = {"messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 8, **parameters}
    return openai.chat.completions.create(model=model, **asked).choices[0].message.content


def share_right(openai: OpenAI, model: str, rows: Sequence[tuple[str, str]]) -> float:
    """Of the rows, how many it answers as they say."""
    return sum(answer(openai, model, text) == label for text, label in rows) / len(rows)


def processes(naming: str) -> list[str]:
    """Command lines of this machine's processes that name something."""
    return [line for line in _ps("-e") if naming in line and not line.startswith("ps ")]


def children(pid: int, naming: str) -> list[str]:
    """Command lines of the living children of a process that name something."""
    return [line for line in _ps("--ppid", str(pid)) if naming in line]


def _ps(*which: str) -> list[str]:
    shown = subprocess.run(["ps", "-ww", *which, "-o", "args="], capture_output=True, text=True, check=False)
    return shown.stdout.splitlines()


def until(look: Callable[[], Any], enough: Callable[[Any], bool], seconds: float = 240) -> Any:
    """What `look` finds once it is enough."""
    deadline = time.monotonic() + seconds
    while not enough(found := look()):
        assert time.monotonic() < deadline, f"still {found} after {seconds} s"
        time.sleep(0.1)
    return found
