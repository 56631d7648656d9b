"""Exports of stored chat completions and of MLflow traces: each record to the flat fields that a contract names.

Both give `id`, `messages` (the last one is the answer), `tools`, `parallel_tool_calls`, `created_at`, `model` and
`answer_by` (model or person); what was noted beside them is `metadata.NAME` and, of a trace, `tags.NAME`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from data_contracts.text import canonical_json
from tasks.curate.defects import Code, Defect
from tasks.curate.reading import strict_json

Fields = dict[str, Any]
FINISHED = ("stop", "tool_calls")
CHAT_SPANS = ("CHAT_MODEL", "LLM")
EXPECTED = "expected_response"  # MLflow's own name for the right answer
JUDGED = ("correct", "correctness", "is_correct")  # names under which a person says whether the answer is right
_BESIDE = ("id", "content_parts")  # what the log adds to a message


def from_openai_log(fields: Fields) -> Fields:
    """A stored completion (an item of GET /chat/completions) with the messages of GET /chat/completions/ID/messages.

    `messages` is that answer's list, or its `data`. Raises Defect where the answer did not end by itself.
    """
    asked = fields.get("messages")
    if isinstance(asked, dict):
        if asked.get("has_more"):
            raise Defect(Code.EXPORT, "The list of messages goes on (has_more): fetch the rest too.", "messages")
        asked = asked.get("data")
    if not isinstance(asked, list) or not asked:
        raise Defect(Code.EXPORT, "Put the answer of GET /chat/completions/ID/messages in as `messages`.", "messages")
    messages = [_asked(message) for message in asked]
    return {
        **_noted("metadata", fields.get("metadata")),
        **_tools(fields),
        "id": fields.get("id"),
        "messages": [*messages, _answer(fields)],
        "created_at": _moment(fields.get("created"), 1, "created"),
        "model": fields.get("model"),
        "answer_by": "model",
    }


def from_mlflow_trace(fields: Fields) -> Fields:
    """A trace as `Trace.to_json` or a row of `mlflow.search_traces` gives it, with its last chat span.

    The answer is what a person expects, where one says so (`expected_response`, or the only expectation by a person),
    else the model's; raises Defect where a person judged that as wrong, or it did not end by itself.
    """
    info, spans = _trace(fields)
    asked, completion = _chat(spans)
    expected = _expected(info.get("assessments"))
    if expected is None and info.get("state") != "OK":
        raise Defect(Code.NO_ANSWER, "The trace ended in an error: leave it out.", "state")
    answer = _answer(completion) if expected is None else {"role": "assistant", "content": expected}
    return {
        **_noted("metadata", info.get("trace_metadata")),
        **_noted("tags", info.get("tags")),
        **_tools(asked),
        "id": info.get("trace_id"),
        "messages": [*asked["messages"], answer],
        "created_at": _moment(info.get("request_time"), 1000, "request_time"),
        "model": completion.get("model") or asked.get("model"),
        "answer_by": "model" if expected is None else "person",
    }


def _asked(message: object) -> Fields:
    """A message as it was sent: its content in parts, where it had them."""
    if not isinstance(message, dict):
        raise Defect(Code.EXPORT, "Each message must be an object with role and content.", "messages")
    sent = {key: value for key, value in message.items() if key not in _BESIDE}
    return {**sent, "content": message.get("content_parts") or message.get("content")}


def _answer(completion: Mapping[str, Any]) -> Fields:
    """The message of the only choice, if it ended by itself."""
    choices = completion.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        raise Defect(Code.EXPORT, "Keep one choice, the answer to learn from.", "choices")
    choice, message = choices[0], choices[0].get("message")
    if not isinstance(message, dict):
        raise Defect(Code.EXPORT, "The choice must hold the answer as `message`.", "choices")
    if message.get("refusal"):
        raise Defect(Code.NO_ANSWER, "The model refused: leave the record out.", "refusal")
    if choice.get("finish_reason") == "function_call":
        raise Defect(
            Code.DEPRECATED, "Write `function_call` as `tool_calls`, with finish_reason tool_calls.", "choices"
        )
    if choice.get("finish_reason") not in FINISHED:
        remedy = "The answer was cut off or filtered (finish_reason is not stop or tool_calls): leave the record out."
        raise Defect(Code.NO_ANSWER, remedy, "finish_reason")
    return message


def _tools(asked: Mapping[str, Any]) -> Fields:
    return {key: asked[key] for key in ("tools", "parallel_tool_calls") if asked.get(key) is not None}


def _noted(name: str, notes: object) -> Fields:
    return {f"{name}.{key}": value for key, value in notes.items()} if isinstance(notes, dict) else {}


def _moment(value: object, per_second: int, field: str) -> str | None:
    """A text as it is; a number of seconds or milliseconds since 1970 as ISO 8601."""
    if value is None or isinstance(value, str):
        return value
    try:
        return datetime.fromtimestamp(float(value) / per_second, UTC).isoformat()  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, OSError):
        raise Defect(Code.TIMESTAMP, "Write the time as a number since 1970, or as ISO 8601.", field) from None


def _trace(fields: Fields) -> tuple[Fields, Sequence[Any]]:
    """What is known of the trace, and its spans."""
    trace = _parsed(fields["trace"], "trace") if "trace" in fields else fields
    info, data = (trace.get("info"), trace.get("data")) if isinstance(trace, dict) else (None, None)
    if info is None and "spans" in fields:  # a row of search_traces without its column `trace`
        info, data = fields, fields
    spans = data.get("spans") if isinstance(data, dict) else None
    if not isinstance(info, dict) or not isinstance(spans, list):
        remedy = "Export it with Trace.to_json(), or the rows of mlflow.search_traces() as JSON lines."
        raise Defect(Code.EXPORT, remedy, "trace")
    return info, spans


def _chat(spans: Sequence[Any]) -> tuple[Fields, Fields]:
    """Inputs and outputs of the last chat span, which holds the whole conversation."""
    chats = [span for span in spans if isinstance(span, dict) and _inputs(span)]
    if not chats:
        remedy = "It has no span of type CHAT_MODEL or LLM whose inputs are OpenAI's `messages`: leave it out."
        raise Defect(Code.EXPORT, remedy, "spans")
    last = max(chats, key=lambda span: str(span.get("start_time_unix_nano")).rjust(20))
    outputs = _attribute(last, "mlflow.spanOutputs")
    return _inputs(last), outputs if isinstance(outputs, dict) else {}


def _inputs(span: Fields) -> Fields:
    """What a chat span was asked; empty of any other span."""
    inputs = _attribute(span, "mlflow.spanInputs") if _attribute(span, "mlflow.spanType") in CHAT_SPANS else None
    return inputs if isinstance(inputs, dict) and isinstance(inputs.get("messages"), list) else {}


def _attribute(span: Fields, name: str) -> Any:  # noqa: ANN401 - any JSON value
    attributes = span.get("attributes")
    return _parsed(attributes.get(name), "spans") if isinstance(attributes, dict) else None


def _expected(assessments: object) -> str | None:
    """What a person says the answer should be; None where nobody does. Raises Defect where one says it is wrong."""
    listed = assessments if isinstance(assessments, list) else []
    by_people = [one for one in listed if isinstance(one, dict) and _by_person(one)]
    named = [one for one in by_people if one.get("assessment_name") == EXPECTED]
    expectations = [one for one in by_people if isinstance(one.get("expectation"), dict)]
    if not named and len(expectations) > 1:
        remedy = f"Several expectations by people: name the one that is the answer `{EXPECTED}`."
        raise Defect(Code.EXPORT, remedy, "assessments")
    if said := named or expectations:
        return _text(max(said, key=lambda one: str(one.get("last_update_time"))))
    if any(one.get("assessment_name") in JUDGED and _text(one) in ("false", "no") for one in by_people):
        remedy = f"A person judged the answer as wrong: log an expectation `{EXPECTED}`, or leave it out."
        raise Defect(Code.NO_ANSWER, remedy, "assessments")
    return None


def _by_person(assessment: Fields) -> bool:
    source = assessment.get("source")
    return isinstance(source, dict) and source.get("source_type") == "HUMAN" and assessment.get("valid") is not False


def _text(assessment: Fields) -> str:
    """The value of an expectation or a feedback; JSON for what is no text."""
    said = assessment.get("expectation") or assessment.get("feedback") or {}
    wrapped = said.get("serialized_value")
    value = _parsed(wrapped.get("value"), "assessments") if isinstance(wrapped, dict) else said.get("value")
    return value if isinstance(value, str) else canonical_json(value)


def _parsed(value: object, field: str) -> Any:  # noqa: ANN401 - any JSON value
    """What MLflow keeps as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return strict_json.parse(value)
    except Defect as defect:
        raise Defect(defect.code, defect.remedy, field) from None
