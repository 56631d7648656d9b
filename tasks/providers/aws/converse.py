"""Answers through Bedrock's Converse API: a chat completions body goes in, OpenAI's shape comes out.

A `seed`, which OpenAI calls a best effort, has no counterpart and is left out; whatever else has none is refused.
"""

import json
from collections.abc import Mapping
from typing import Any

from tasks.providers.aws.messages import UntranslatableError, conversation, system_of, tools

KNOWN = {
    *("model", "messages", "temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "tools"),
    *("tool_choice", "response_format", "seed"),
}
NEUTRAL: dict[str, Any] = {"n": 1, "stream": False, "logprobs": False, "parallel_tool_calls": True}
FINISH = {
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}


def request(body: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `converse`. Raises UntranslatableError naming the key that it has no form for."""
    unknown = sorted(name for name in set(body) - KNOWN if body[name] is not None and body[name] != NEUTRAL.get(name))
    if unknown:
        raise UntranslatableError(f"Converse has nothing for {', '.join(unknown)}")
    system = [{"text": words} for words in system_of(body["messages"]) if words]
    return {
        "modelId": body["model"],
        "messages": conversation(body["messages"]),
        **({"system": system} if system else {}),
        **_inference(body),
        **tools(body),
        **_structured(body.get("response_format")),
    }


def completion(answer: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The answer in the shape of a chat completion; what the model thought is left out."""
    blocks = answer["output"]["message"]["content"]
    words = [block["text"] for block in blocks if "text" in block]
    calls = [_call(block["toolUse"]) for block in blocks if "toolUse" in block]
    message = {"role": "assistant", "content": "".join(words) if words or not calls else None}
    finish = FINISH.get(answer["stopReason"], "stop")
    usage = {"prompt_tokens": answer["usage"]["inputTokens"], "completion_tokens": answer["usage"]["outputTokens"]}
    return {
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": {**message, **({"tool_calls": calls} if calls else {})},
                     "finish_reason": finish}],
        "usage": {**usage, "total_tokens": answer["usage"]["totalTokens"]},
    }  # fmt: skip


def _inference(body: Mapping[str, Any]) -> dict[str, Any]:
    stop = body.get("stop")
    asked: dict[str, Any] = {
        "maxTokens": body.get("max_completion_tokens") or body.get("max_tokens"),
        "temperature": body.get("temperature"),
        "topP": body.get("top_p"),
        "stopSequences": [stop] if isinstance(stop, str) else stop,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    if given.get("temperature", 0) > 1:
        raise UntranslatableError("Converse takes a temperature of at most 1")
    return {"inferenceConfig": given} if given else {}


def _structured(wanted: Mapping[str, Any] | None) -> dict[str, Any]:
    """A JSON schema is `outputConfig.textFormat`; JSON without one is something that Converse does not promise."""
    match wanted:
        case None | {"type": "text"}:
            return {}
        case {"type": "json_schema", "json_schema": {"schema": dict(schema), **about}}:
            named = {name: about[name] for name in ("name", "description") if about.get(name)}
            form = {"jsonSchema": {"schema": json.dumps(schema), **named}}
            return {"outputConfig": {"textFormat": {"type": "json_schema", "structure": form}}}
    raise UntranslatableError("Converse has nothing for this response_format: use a JSON schema, or none")


def _call(use: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": use["name"], "arguments": json.dumps(use["input"], ensure_ascii=False)}
    return {"id": use["toolUseId"], "type": "function", "function": function}
