"""Every answer holds against OpenAI's own description of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openai import NotFoundError, OpenAI
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests.providers.local import support

SPEC = Path(__file__).resolve().parents[4] / "shared" / "data" / "openai-openapi-subset.json"
pytestmark = pytest.mark.skipif(not SPEC.exists(), reason="the description of the API is not here")


def modern(schema: Any) -> Any:
    """OpenAPI 3.0's `nullable` and boolean `exclusiveMinimum`, which the document still uses, in today's words."""
    if isinstance(schema, list):
        return [modern(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    new = {key: modern(part) for key, part in schema.items() if key not in ("nullable", "example", "examples")}
    if new.get("exclusiveMinimum") is True:
        new["exclusiveMinimum"] = new.pop("minimum")
    return {"anyOf": [new, {"type": "null"}]} if schema.get("nullable") is True else new


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    return modern(json.loads(SPEC.read_text()))


def check(spec: dict[str, Any], schema: dict[str, Any], body: object) -> None:
    registry = Registry().with_resource("spec", Resource(contents=spec, specification=DRAFT202012))
    absolute = json.loads(json.dumps(schema).replace('"#/', '"spec#/'))
    errors = list(Draft202012Validator(absolute, registry=registry).iter_errors(body))
    assert not errors, [error.message for error in errors]


def answer_schema(spec: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    return spec["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"]


@pytest.mark.parametrize(
    "path",
    [
        "/files",
        "/files/{file_id}",
        "/fine_tuning/jobs",
        "/fine_tuning/jobs/{fine_tuning_job_id}",
        "/fine_tuning/jobs/{fine_tuning_job_id}/events",
        "/fine_tuning/jobs/{fine_tuning_job_id}/checkpoints",
        "/models",
        "/models/{model}",
    ],
)
def test_what_is_read_has_the_documented_shape(openai: OpenAI, tuned, spec, path: str):
    ids = {"file_id": tuned.job.training_file, "fine_tuning_job_id": tuned.job.id, "model": tuned.model}
    body = openai.get(path.format(**ids), cast_to=object)
    assert body.get("data") != []
    check(spec, answer_schema(spec, "get", path), body)


def test_an_empty_list_has_the_documented_shape(openai: OpenAI, spec):
    body = openai.get("/files?purpose=vision", cast_to=object)
    assert body["data"] == []
    check(spec, answer_schema(spec, "get", "/files"), body)


def test_a_failed_and_a_cancelled_job_have_the_documented_shape(openai: OpenAI, spec):
    failing = support.create_job(openai, support.upload(openai, support.training_bytes(3)))
    cancelled = openai.fine_tuning.jobs.cancel(support.create_job(openai).id)
    support.wait_for(openai, failing.id, "failed")
    for job in (failing, cancelled):
        path = "/fine_tuning/jobs/{fine_tuning_job_id}"
        check(spec, answer_schema(spec, "get", path), openai.get(f"/fine_tuning/jobs/{job.id}", cast_to=object))


@pytest.mark.parametrize("extra", [{}, {"logprobs": True, "top_logprobs": 3}, {"max_tokens": 1}])
def test_a_completion_has_the_documented_shape(openai: OpenAI, spec, extra):
    request = {"model": support.BASE, "messages": [{"role": "user", "content": "hello"}], **extra}
    body = openai.post("/chat/completions", cast_to=object, body=request)
    check(spec, spec["components"]["schemas"]["CreateChatCompletionResponse"], body)


@pytest.mark.parametrize("extra", [{}, {"logprobs": True}, {"stream_options": {"include_usage": True}}])
def test_a_streamed_chunk_has_the_documented_shape(openai: OpenAI, spec, extra):
    messages, schema = [{"role": "user", "content": "hello"}], spec["components"]["schemas"]
    for chunk in openai.chat.completions.create(model=support.BASE, messages=messages, stream=True, **extra):
        check(spec, schema["CreateChatCompletionStreamResponse"], chunk.model_dump(exclude_unset=True))


def test_a_batch_has_the_documented_shape_from_its_beginning_to_its_end(openai: OpenAI, spec):
    body = {"model": support.BASE, "messages": [{"role": "user", "content": "hello"}]}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    file = openai.files.create(file=("requests.jsonl", json.dumps(line).encode()), purpose="batch")
    asked = {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    made: Any = openai.post("/batches", cast_to=object, body=asked)
    support.until(lambda: openai.batches.retrieve(made["id"]), lambda batch: batch.status == "completed")
    listed: Any = openai.get("/batches", cast_to=object)
    check(spec, spec["components"]["schemas"]["ListBatchesResponse"], {**listed, "data": []})
    for batch in (made, *listed["data"]):  # null, as the documentation shows it, where the schema knows only absence
        told = {name: value for name, value in batch.items() if value is not None}
        check(spec, spec["components"]["schemas"]["Batch"], told)


def test_deletions_and_errors_have_the_documented_shape(openai: OpenAI, spec):
    schemas = spec["components"]["schemas"]
    deleted = openai.delete(f"/files/{support.upload(openai)}", cast_to=object)
    check(spec, schemas["DeleteFileResponse"], deleted)
    tune = support.wait_for(openai, support.create_job(openai).id, "succeeded").fine_tuned_model
    check(spec, schemas["DeleteModelResponse"], openai.delete(f"/models/{tune}", cast_to=object))
    with pytest.raises(NotFoundError) as missing:
        openai.get("/models/nothing", cast_to=object)
    check(spec, schemas["ErrorResponse"], missing.value.response.json())
    with pytest.raises(NotFoundError) as unknown_url:
        openai.get("/no/such/thing", cast_to=object)
    check(spec, schemas["ErrorResponse"], unknown_url.value.response.json())
