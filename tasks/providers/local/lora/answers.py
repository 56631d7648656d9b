"""A request to a model of one's own: refused where it asks for what is not done here, else asked and answered."""

from pathlib import Path
from typing import Any

from tasks.providers.local.chat_request import ChatRequest
from tasks.providers.local.errors import ApiError
from tasks.providers.local.lora.desk import DESK, NoAnswerError
from tasks.providers.local.lora.settings import LoraSettings

_STATUS = {"server_error": 500, "out_of_memory": 500, "model_not_available": 404, "trainer_unavailable": 404}


async def answer(request: ChatRequest, base: str, tuned: Path | None, settings: LoraSettings) -> dict[str, Any]:
    """`prompt_tokens`, `text`, `tokens`, and whether the model `finished` by itself. Raises ApiError."""
    wanted = request.response_format
    if wanted and wanted.type != "text":
        message = f"{base} answers in free text: nothing here holds a model of your own to a schema. Leave it out."
        raise ApiError(400, message, "response_format", "unsupported_parameter")
    question = {
        "adapter": str(tuned / "adapter") if tuned else None,
        "messages": request.plain_messages,
        "temperature": 1.0 if request.temperature is None else request.temperature,
        "seed": request.seed,
        "limit": request.token_limit,
        "alternatives": (request.top_logprobs or 0) if request.logprobs else None,
    }
    try:
        return await DESK.ask(settings, base, question)
    except NoAnswerError as problem:
        param = "messages" if problem.code in ("context_length_exceeded", "invalid_value") else None
        raise ApiError(_STATUS.get(problem.code, 400), problem.message, param, problem.code) from None
