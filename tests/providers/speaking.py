"""Providers that speak to the embedded server in its dialects, and rows that each of them trains on."""

import json
import time
from collections.abc import Iterator
from typing import Any

from openai import DefaultHttpxClient, OpenAI

from data_contracts.money import Job
from data_contracts.provider import Aws, Foundry, ProviderSettings
from tasks.providers.dialects import dialects
from tasks.providers.openai_wire import OpenAIWire
from tasks.providers.protocol import JobRequest, Serving
from tests.embedded import RunningServer
from tests.fake_clock import FakeClock

NAMES = ("openai", "foundry", "nebius", "crusoe", "bedrock_openai")
KEY = "sk-test-0123456789abcdef"
TOKEN = "arm-0123456789abcdef"
BASE = "local-base-small-2026-06-01"
LAMBDA = {"type": "lambda", "lambda": {"function": "arn:aws:lambda:us-west-2:123456789012:function:reward"}}


def speaker(server: RunningServer, name: str, **differences: Any) -> OpenAIWire:
    """A provider whose dialect the server speaks from now on; `differences` go over those of its table."""
    server.change_settings(**({} if name == "openai" else {"dialect": name}))
    url = server.url.replace("/v1", "/openai/v1") if name == "foundry" else server.url
    table = dialects()["compatible" if name == "openai" else name]
    return OpenAIWire(settings(server, name), url, KEY, FakeClock(), table.model_copy(update=differences))


def settings(server: RunningServer, name: str, **more: Any) -> ProviderSettings:
    foundry = Foundry(
        subscription="sub", resource_group="group", account="resource", management_url=server.url.removesuffix("/v1")
    )
    sections = {"foundry": {"foundry": foundry}, "crusoe": {"project": "project-1"}}
    sections["bedrock_openai"] = {"aws": Aws(region="us-west-2")}
    return ProviderSettings.model_validate({"name": name, **sections.get(name, {}), **more})


def order(name: str, training_file: str, **more: Any) -> JobRequest:
    """What each of them takes."""
    reinforced = {"method": "reinforcement", "grader": LAMBDA} if name == "bedrock_openai" else {}
    asked: dict[str, Any] = {
        "base_model": BASE,
        "validation_file": None,
        "method": "supervised",
        "n_epochs": 2,
        "batch_size": None,
    }
    asked |= {"learning_rate_multiplier": None, "seed": 7, "suffix": None, "metadata": {"intent": "abc"}}
    return JobRequest(training_file=training_file, **{**asked, **reinforced, **more})


def rows(name: str, count: int = 100) -> bytes:
    return b"".join(json.dumps(_row(name, number)).encode() + b"\n" for number in range(count))


def _row(name: str, number: int) -> dict[str, Any]:
    label = ("refund", "delivery", "login")[number % 3]
    asked = {"role": "user", "content": f"about my {label} number {number}"}
    if name == "bedrock_openai":
        return {"messages": [asked], "reference_answer": label}
    return {"messages": [asked, {"role": "assistant", "content": label}]}


def ended(provider: OpenAIWire, job_id: str) -> Job:
    """The job once it is over, at most a minute later."""
    deadline = time.monotonic() + 60
    while (job := provider.job(job_id)).state != "succeeded" or job.model is None:
        assert job.state not in ("failed", "cancelled"), job
        assert time.monotonic() < deadline, job
    return job


def looks(provider: OpenAIWire, model: str, most: int = 8) -> Iterator[Serving]:
    """What `serve` says, look after look, until it does not start any more."""
    for _ in range(most):
        found = provider.serve(model)
        yield found
        if found.state != "starting":
            return


def answer(provider: OpenAIWire, name: str) -> str:
    """A completion at the place that the provider names, by that name, with the headers that it names."""
    endpoint = provider.answer_endpoint()
    sender = DefaultHttpxClient(event_hooks={"request": [lambda request: request.headers.update(endpoint.headers)]})
    client = OpenAI(base_url=endpoint.url.removesuffix("/chat/completions"), api_key="-", http_client=sender)
    messages: Any = [{"role": "user", "content": "about my refund number 3"}]
    return client.chat.completions.create(model=name, messages=messages).choices[0].message.content or ""
