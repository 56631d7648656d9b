"""MLflow traces as answers given in production: those of one experiment, page by page."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from data_contracts.production import ProductionRecord
from tasks.errors import ResumableError
from tasks.prompting.tool_calls import as_text

if TYPE_CHECKING:
    from mlflow.entities import Span, Trace

PAGE = 200
CHAT_SPANS = ("CHAT_MODEL", "LLM")
EXPECTED = "expected_response"  # MLflow's own name for the right answer
VERSION_TAG = "tunegate.version"  # the registered version that answered, where the service notes it
SESSION, USER = "mlflow.trace.session", "mlflow.trace.user"
INSTRUCTIONS = ("system", "developer")
UNFINISHED = {"length": "truncated", "content_filter": "filtered"}
_Fields = dict[str, Any]


@dataclass(frozen=True)
class Traces:
    """Traces of an experiment from a moment on, seconds since 1970. A label is an expectation that a person noted."""

    uri: str
    experiment: str
    since: float

    def records(self, skipped: Counter[str]) -> Iterator[ProductionRecord]:
        """Each trace with a chat span, or whose root takes and gives a text. Raises ResumableError out of reach."""
        for trace in self._traces(skipped):
            fields = _fields(trace)
            if fields is None:
                skipped["a trace without a question and an answer"] += 1
                continue
            try:
                yield ProductionRecord.model_validate(fields)
            except ValidationError:
                skipped["a trace with figures that are none"] += 1

    def labels(self) -> Iterator[ProductionRecord]:
        """None: the label of a trace stands in it."""
        return iter(())

    def _traces(self, skipped: Counter[str]) -> Iterator["Trace"]:
        from mlflow import MlflowClient

        with _reachable(self.experiment):
            client = MlflowClient(self.uri)
            experiment = client.get_experiment_by_name(self.experiment)
        if experiment is None:
            skipped[f"no experiment is called {self.experiment} yet"] += 1
            return
        wanted, token = f"timestamp_ms >= {int(1000 * self.since)}", None
        while True:
            with _reachable(self.experiment):
                page = client.search_traces(
                    locations=[experiment.experiment_id],
                    filter_string=wanted,
                    max_results=PAGE,
                    order_by=["timestamp_ms ASC"],
                    page_token=token,
                )
            yield from page
            token = page.token
            if not token:
                return


@contextmanager
def _reachable(experiment: str) -> Iterator[None]:
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        cause = f"MLflow says {getattr(error, 'error_code', type(error).__name__)}"
        remedy = "See that MLFLOW_TRACKING_URI can be reached, then look again."
        raise ResumableError(f"Reading the traces of {experiment}", cause, remedy) from None  # may hold a password


def _fields(trace: "Trace") -> _Fields | None:
    """The record's fields; None of a trace that is no question with its answer."""
    spans = trace.data.spans
    chats = [span for span in spans if span.span_type in CHAT_SPANS and _messages(span)]
    if chats:
        said = _of_chat(max(chats, key=lambda span: span.start_time_ns))
    else:
        said = _of_root(next((span for span in spans if span.parent_id is None), None))
    return None if said is None else {**_of_info(trace.info), **said}


def _of_info(info: Any) -> _Fields:  # noqa: ANN401 - MLflow's TraceInfo
    failed = str(getattr(info.state, "value", info.state)) == "ERROR"
    usage, noted = info.token_usage or {}, {**(info.trace_metadata or {}), **(info.tags or {})}
    return {
        "id": info.client_request_id or info.trace_id,
        "at": info.request_time / 1000,
        "latency_ms": info.execution_duration,
        "prompt_tokens": usage.get("input_tokens"),
        "completion_tokens": usage.get("output_tokens"),
        "cost": (info.cost or {}).get("total_cost"),
        "group": noted.get(SESSION) or noted.get(USER),
        "version": noted.get(VERSION_TAG),
        "expected": _expected(info.assessments or ()),
        "outcome": "failed" if failed else None,
    }


def _of_chat(span: "Span") -> _Fields | None:
    """The last chat span holds the whole conversation; its own time is the model's."""
    messages = [message for message in _messages(span) if message.get("role") not in INSTRUCTIONS]
    asked = [message["content"] for message in messages if message.get("role") == "user"]
    if not asked or not isinstance(asked[-1], str):
        return None
    outputs = span.outputs if isinstance(span.outputs, dict) else {}
    choices = outputs.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    inputs = span.inputs if isinstance(span.inputs, dict) else {}
    timed = {"latency_ms": (span.end_time_ns - span.start_time_ns) / 1e6} if span.end_time_ns else {}
    model = outputs.get("model") or inputs.get("model")
    return {"input": asked[-1], "messages": messages, "model": model, **timed, **_answer(choice)}


def _answer(choice: Mapping[str, Any]) -> _Fields:
    message = choice.get("message") or {}
    if not message:
        return {"output": None, "outcome": "failed"}
    calls, refusal = message.get("tool_calls"), message.get("refusal")
    outcome = "refused" if refusal else UNFINISHED.get(str(choice.get("finish_reason")))
    return {"output": as_text(calls) if calls else refusal or message.get("content"), "outcome": outcome}


def _of_root(root: "Span | None") -> _Fields | None:
    """A traced function of one text: what it took, and what it gave back."""
    inputs = root.inputs if root is not None else None
    texts = [value for value in inputs.values() if isinstance(value, str)] if isinstance(inputs, dict) else []
    if root is None or len(texts) != 1:
        return None
    return {"input": texts[0], "output": root.outputs if isinstance(root.outputs, str | dict | list) else None}


def _messages(span: "Span") -> list[_Fields]:
    inputs = span.inputs
    found = inputs.get("messages") if isinstance(inputs, dict) else None
    return [message for message in found if isinstance(message, dict)] if isinstance(found, list) else []


def _expected(assessments: Any) -> str | None:  # noqa: ANN401 - a list of MLflow's Assessment
    """What a person says the answer should be: `expected_response`, or the only expectation by a person; the newest."""
    said = [one for one in assessments if getattr(one, "expectation", None) is not None and _by_person(one)]
    named = [one for one in said if one.name == EXPECTED]
    if not named and len({one.name for one in said}) != 1:
        return None
    value = max(named or said, key=lambda one: one.last_update_time_ms or 0).expectation.value
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _by_person(assessment: Any) -> bool:  # noqa: ANN401 - MLflow's Assessment
    return getattr(assessment.source, "source_type", "") == "HUMAN" and getattr(assessment, "valid", True) is not False
