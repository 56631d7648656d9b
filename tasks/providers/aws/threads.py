"""How a library that blocks carries answers: in threads, and with whatever happens in the shape of OpenAI's errors."""

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tasks.providers.aws.errors import AUTH, Trouble
from tasks.providers.aws.messages import UntranslatableError
from tasks.providers.protocol import RawAnswer

STATUS = {"ModelNotReadyException": 503, "ModelErrorException": 502, "ModelError": 502, "ModelTimeoutException": 504}
ADVICE = "Check the model's id: many answer only through an inference profile, such as us.amazon.nova-lite-v1:0."


class Threads:
    """Carries requests: `ask_one` runs in one of as many threads as may ask at once."""

    def __init__(self, ask_one: Callable[[dict[str, Any]], dict[str, Any]], workers: int) -> None:
        self._ask_one = ask_one
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="aws-answers")

    async def ask(self, body: bytes) -> RawAnswer:
        """Send one request, a chat completions body of OpenAI's, once. Never raises."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._answer, body)

    def _answer(self, body: bytes) -> RawAnswer:
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        try:
            return RawAnswer(200, json.dumps(self._ask_one(json.loads(body))).encode())
        except (BotoCoreError, ClientError, ResponseParserError) as error:
            return failed(Trouble.of(error))
        except UntranslatableError as error:
            return _error(400, "unsupported_request", str(error))
        except (LookupError, TypeError, ValueError, AttributeError):
            return _error(502, "unreadable_answer", "The answer has no form that is known here.")


def failed(trouble: Trouble) -> RawAnswer:
    """An error in the shape of OpenAI's. AWS's own words stay out: they may quote the request."""
    if not trouble.status and not trouble.refused and not AUTH.search(trouble.code):
        return RawAnswer(0, b"", error=trouble.code)
    headers = {"x-request-id": trouble.request_id}
    if trouble.retry_after is not None:
        headers["retry-after"] = str(trouble.retry_after)
    message = ADVICE if trouble.code == "ValidationException" else "AWS refuses the request"
    return _error(_status(trouble), trouble.code, message, headers)


def _status(trouble: Trouble) -> int:
    if trouble.code in STATUS:
        return STATUS[trouble.code]
    if AUTH.search(trouble.code):
        return 403
    if trouble.waits:
        return 429
    return trouble.status or 400


def _error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> RawAnswer:
    body = {"error": {"message": message, "type": "aws_error", "code": code}}
    return RawAnswer(status, json.dumps(body).encode(), headers or {})
