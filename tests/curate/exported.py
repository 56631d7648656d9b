"""Records as a log of chat completions and a trace store export them, for tests to change in one place."""

import json
from typing import Any

from tests.curate.chats import user

MARK = "Xanthippe"  # stands in the text of every bad record, and in no message about one


def log(asked: str = MARK, choices: list[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    """A stored chat completion with its messages, as OpenAI lists both."""
    return {
        "object": "chat.completion",
        "id": "chatcmpl-1",
        "created": 1_767_225_600,
        "model": "gpt-4.1-mini-2025-04-14",
        "metadata": {"channel": "chat"},
        "choices": [choice()] if choices is None else choices,
        "messages": {
            "object": "list",
            "has_more": False,
            "data": [{**user(asked), "id": "m-0", "content_parts": None}],
        },
        **changes,
    }


def choice(finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    """One choice of a completion."""
    said = {"role": "assistant", "content": MARK, "refusal": None, "tool_calls": None, **message}
    return {"index": 0, "finish_reason": finish_reason, "logprobs": None, "message": said}


def trace(asked: str = MARK, span: str = "CHAT_MODEL", choices: Any = None, **info: Any) -> dict[str, Any]:
    """A trace as MLflow exports it, with one chat span."""
    inputs, outputs = {"model": "gpt-4.1-mini", "messages": [user(asked)]}, {"choices": choices or [choice()]}
    attributes = {"mlflow.spanType": span, "mlflow.spanInputs": inputs, "mlflow.spanOutputs": outputs}
    spans = [{"start_time_unix_nano": 1, "attributes": {key: json.dumps(value) for key, value in attributes.items()}}]
    facts = {"trace_id": "tr-1", "request_time": "2026-01-01T00:00:00Z", "state": "OK", "assessments": [], **info}
    return {"info": facts, "data": {"spans": spans}}


def assessed(name: str, kind: str, value: Any) -> dict[str, Any]:
    """What a person says of a trace."""
    return {"assessment_name": name, "source": {"source_type": "HUMAN", "source_id": "ann"}, kind: {"value": value}}
