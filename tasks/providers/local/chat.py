"""Answers: the model's text and tokens, cut where the request says so, and shaped for the wire."""

import asyncio
import importlib
import math
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from tasks.providers.local.catalogue import Model
from tasks.providers.local.chat_request import ChatRequest
from tasks.providers.local.degrading import PROSE, REFUSAL, ailment, unasked
from tasks.providers.local.errors import ApiError
from tasks.providers.local.lora import answers as own_models
from tasks.providers.local.pages import Public
from tasks.providers.local.settings import Latency, Settings
from tasks.providers.local.store import new_id

if TYPE_CHECKING:
    from tasks.providers.local.learner import Answerer

Token = tuple[str, float, list[tuple[str, float]]]
_REPLY = ("prompt_tokens", "text", "tokens", "finished")
TOKENS_PER_MESSAGE = 4  # for role and separators, as chat models count them
# one thread: answering is pure computation, a second one would only take turns with it
_WORKER = ThreadPoolExecutor(1, thread_name_prefix="answer")


@dataclass(frozen=True)
class Completion:
    """One finished answer."""

    id: str
    created: int
    model: Model
    prompt_tokens: int
    text: str
    tokens: list[Token]
    finish_reason: str
    refusal: str | None = None

    @property
    def usage(self) -> Public:
        """Token counts."""
        used = {"prompt_tokens": self.prompt_tokens, "completion_tokens": len(self.tokens)}
        return {**used, "total_tokens": self.prompt_tokens + len(self.tokens)}

    def body(self, request: ChatRequest) -> Public:
        """The whole answer as the wire shows it."""
        message = {"role": "assistant", "content": None if self.refusal else self.text, "refusal": self.refusal}
        logprobs = _logprobs(self.tokens, request.top_logprobs or 0) if request.logprobs else None
        choice = {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": self.finish_reason}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self.usage}

    async def stream(self, request: ChatRequest, latency: Latency) -> AsyncIterator[bytes]:
        """The answer token by token, as server-sent events."""
        usage = request.stream_options is not None and request.stream_options.include_usage
        unused = {"usage": None} if usage else {}
        yield _event(self._chunk({"role": "assistant", "content": "", "refusal": self.refusal}) | unused)
        left = self.text if not self.refusal else ""
        for token in self.tokens:
            await asyncio.sleep(latency.completion_token_ms * latency.scale / 1000)
            piece, left = left[: len(token[0])], left[len(token[0]) :]
            shown = _logprobs([token], request.top_logprobs or 0) if request.logprobs else None
            yield _event(self._chunk({"content": piece}, logprobs=shown) | unused)
        yield _event(self._chunk({}, finish_reason=self.finish_reason) | unused)
        if usage:
            yield _event({**self._head("chat.completion.chunk"), "choices": [], "usage": self.usage})
        yield b"data: [DONE]\n\n"

    def _chunk(self, delta: Public, logprobs: Public | None = None, finish_reason: str | None = None) -> Public:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def _head(self, kind: str) -> Public:
        head = {"id": self.id, "object": kind, "created": self.created, "model": self.model.id}
        return {**head, "system_fingerprint": self.model.fingerprint}


async def complete(request: ChatRequest, model: Model, settings: Settings) -> Completion:
    """Answer, in the time that the tokens take (a stream takes the time of its own tokens later)."""
    started = time.monotonic()
    ails = ailment(model.id, request.plain_messages, settings)
    if model.base in settings.lora.models:
        reply = await own_models.answer(request, model.base, model.tuned, settings.lora)
        prompt_tokens, text, tokens, finished = (reply[name] for name in _REPLY)
    else:
        working = asyncio.get_running_loop().run_in_executor
        room, wrong = settings.context_tokens, ails == "wrong"
        prompt_tokens, text, tokens = await working(_WORKER, _answer, request, model, room, wrong)
        finished = True
    schema = request.strict_schema
    refusal = "No answer fits the schema." if schema is not None and not _satisfies(text, schema) else None
    if ails == "malformed":
        text = PROSE.format(text)
    elif ails == "refused":
        refusal = REFUSAL
    whole = len(tokens)
    text, tokens, finish_reason = _cut(text, tokens, request)
    if not finished and len(tokens) == whole:
        finish_reason = "length"
    completion = Completion(
        id=new_id("chatcmpl-"),
        created=int(settings.now()),
        model=model,
        prompt_tokens=prompt_tokens,
        text=text,
        tokens=tokens,
        finish_reason=finish_reason,
        refusal=refusal,
    )
    waiting = settings.latency.seconds(prompt_tokens, 0 if request.stream else len(tokens))
    await asyncio.sleep(max(0.0, started + waiting - time.monotonic()))
    return completion


def estimate_tokens(request: ChatRequest) -> int:
    """Tokens that the rate limit takes before the answer is known: a quarter of the characters, and the cap."""
    characters = sum(len(message["content"]) for message in request.plain_messages)
    return math.ceil(characters / 4) + (request.token_limit or 0)


def warm_up() -> None:
    """Load the learner in the background, so that the first answer need not wait for it."""
    _WORKER.submit(importlib.import_module, "tasks.providers.local.learner")


def _answer(request: ChatRequest, model: Model, room: int, wrong: bool) -> tuple[int, str, list[Token]]:
    from tasks.providers.local.learner import count_tokens

    messages = request.plain_messages
    prompt_tokens = sum(count_tokens(message["content"]) + TOKENS_PER_MESSAGE for message in messages)
    if prompt_tokens > room:
        message = f"This model takes at most {room} tokens; the messages have {prompt_tokens}."
        raise ApiError(400, message, "messages", "context_length_exceeded")
    wanted = request.response_format.model_dump(by_alias=True, exclude_none=True) if request.response_format else None
    temperature = 1.0 if request.temperature is None else request.temperature
    heard = unasked(messages) if wrong else messages
    reply = _answerer(model.base, model.tuned).answer(heard, wanted, temperature, request.seed)
    return prompt_tokens, reply.text, reply.tokens


@lru_cache(maxsize=16)
def _answerer(base: str, tuned: Path | None) -> "Answerer":
    from tasks.providers.local.learner import Answerer

    return Answerer(base, tuned)


def _cut(text: str, tokens: list[Token], request: ChatRequest) -> tuple[str, list[Token], str]:
    """Shorten at the first stop text, then at the token limit; text, tokens, finish_reason."""
    found = [position for stop in request.stops if stop and (position := text.find(stop)) >= 0]
    if found:
        text = text[: min(found)]
        starts = accumulate((len(token) for token, _, _ in tokens), initial=0)
        tokens = [token for token, start in zip(tokens, starts, strict=False) if start < len(text)]
    if request.token_limit is not None and len(tokens) > request.token_limit:
        tokens = tokens[: request.token_limit]
        return text[: sum(len(token) for token, _, _ in tokens)], tokens, "length"
    return text, tokens, "stop"


def _satisfies(text: str, schema: dict[str, Any]) -> bool:
    from jsonschema import Draft202012Validator
    from referencing import Registry

    try:
        return Draft202012Validator(schema, registry=Registry()).is_valid(orjson.loads(text))
    except orjson.JSONDecodeError:
        return False


def _logprobs(tokens: list[Token], alternatives: int) -> Public:
    content = [
        {**_shown(token, logprob), "top_logprobs": [_shown(*one) for one in others[:alternatives]]}
        for token, logprob, others in tokens
    ]
    return {"content": content, "refusal": None}


def _shown(token: str, logprob: float) -> Public:
    return {"token": token, "logprob": max(logprob, -9999.0), "bytes": list(token.encode())}


def _event(body: Public) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\n\n"
