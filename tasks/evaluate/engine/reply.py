"""What an endpoint's answer comes to: a completion, or a way to fail."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from tasks.prompting.tool_calls import as_text
from tasks.providers.failure import Failure

if TYPE_CHECKING:  # contest brings pydantic: an engine process does without
    from data_contracts.contest import Outcome

FILTER_CODES = {"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"}
UNFINISHED: "dict[str, Outcome]" = {"length": "truncated", "content_filter": "filtered"}
# Too much for the model, today and tomorrow. OpenAI and those who speak like it give a code, GitHub's models and
# Azure's the last one; vLLM (0.9 to 0.16), SGLang and Ollama say it in words only, some of them with 413 or 422.
TOO_MUCH_CODES = {"context_length_exceeded", "string_above_max_length", "tokens_limit_reached"}
TOO_MUCH = re.compile(r"context (length|window|size)|(prompt|input) is too long", re.IGNORECASE)


@dataclass(frozen=True)
class Reply:
    """A completion reduced to what is kept."""

    output: str
    outcome: "Outcome"
    finish_reason: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    confidence: float | None = None  # probability of its tokens; None: the provider gave none
    model: str = ""  # as the answer names it
    fingerprint: str = ""  # of what answered, where the provider gives one


def read(status: int, headers: Mapping[str, str], content: bytes) -> Reply | Failure:
    """A whole answer of an endpoint that speaks OpenAI's wire."""
    if status == 200:
        try:
            return completion(orjson.loads(content))
        except (ValueError, LookupError, TypeError, AttributeError):
            return Failure(status, code="unreadable_answer")
    failure = Failure.of_answer(status, headers, content)
    if status == 400 and failure.code in FILTER_CODES:
        return Reply("", "filtered", "content_filter")
    if _too_much(failure):
        return Reply("", "rejected", failure.code if failure.code in TOO_MUCH_CODES else "context_length_exceeded")
    return failure


def completion(document: Mapping[str, Any]) -> Reply:
    """A chat completion of OpenAI's. Raises what comes of reading one that has another shape."""
    choice, usage = document["choices"][0], document.get("usage") or {}
    message, finish_reason = choice["message"], str(choice.get("finish_reason") or "stop")
    refusal = message.get("refusal")
    return Reply(
        output=str(refusal or _answer(message)),
        outcome="refused" if refusal else UNFINISHED.get(finish_reason, "answered"),
        finish_reason=finish_reason,
        prompt_tokens=int(usage.get("prompt_tokens") or 0),
        completion_tokens=int(usage.get("completion_tokens") or 0),
        confidence=_confidence(choice.get("logprobs")),
        model=str(document.get("model") or ""),
        fingerprint=str(document.get("system_fingerprint") or ""),
    )


def _too_much(failure: Failure) -> bool:
    if failure.status == 413 or (failure.status == 400 and failure.code in TOO_MUCH_CODES):
        return True
    return failure.status in (400, 422) and bool(TOO_MUCH.search(failure.message))


def _answer(message: Mapping[str, Any]) -> str:
    calls = message.get("tool_calls")
    return as_text(calls) if calls else message.get("content") or ""


def _confidence(logprobs: object) -> float | None:
    """Probability of exactly these tokens, 0 to 1: the product of theirs."""
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not tokens:
        return None
    return min(1.0, math.exp(math.fsum(token["logprob"] for token in tokens)))
