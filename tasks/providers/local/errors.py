"""Refusals in OpenAI's words: a status, and the body `{"error": {message, type, param, code}}`."""

import re
import sys
import traceback
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_CODES = {"missing": "missing_required_parameter", "extra_forbidden": "unknown_parameter"}

# pydantic's names for the branches of a union
_UNION_TAG = re.compile(r"constrained-|literal\[|list\[|(str|string_check|text_similarity|multi)$")


class Body(BaseModel):
    """A request body. An unknown parameter is refused, as the real service does."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ApiError(Exception):
    """A request that is refused."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(status, message, param, code)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.headers: Mapping[str, str] = {}

    def body(self) -> dict[str, Any]:
        """The JSON body."""
        kind = _TYPES.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def model_not_found(model: str) -> ApiError:
    """404 for a model that never was, was deleted, or is shut down."""
    return ApiError(404, f"The model `{model}` does not exist or you do not have access to it.", code="model_not_found")


def no_such(kind: str, identifier: str) -> ApiError:
    """404 for any other object."""
    return ApiError(404, f"No such {kind} object: {identifier}", "id", "not_found")


def rate_limited(message: str, headers: Mapping[str, str]) -> ApiError:
    """429 with the headers that say how long to wait."""
    error = ApiError(429, message, code="rate_limit_exceeded")
    error.headers = headers
    return error


def invalid_body(problems: ValidationError) -> ApiError:
    """400 for what is wrong with a body. Names the parameter, never repeats its value."""
    found = problems.errors(include_input=False, include_url=False)
    worst = max(found, key=lambda one: len(one["loc"]))  # of a union's branches, the one that got furthest
    param = ".".join(part for part in map(str, worst["loc"]) if not _UNION_TAG.match(part)) or None
    code = _CODES.get(worst["type"], "invalid_value")
    wording = {
        "missing_required_parameter": f"Missing required parameter: '{param}'.",
        "unknown_parameter": f"Unknown parameter: '{param}'.",
        "invalid_value": f"Invalid value for '{param}': {worst['msg']}.",
    }
    return ApiError(400, wording[code], param, code)


def report(problem: Exception) -> None:
    """Print where an unexpected error happened, but not its text, which may quote a message."""
    print(type(problem).__name__, *traceback.format_tb(problem.__traceback__), file=sys.stderr, flush=True)
