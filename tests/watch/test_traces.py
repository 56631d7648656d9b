"""Traces of a real MLflow store as production answers."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import AssessmentSource

from tasks.errors import ResumableError
from tasks.watch.production import read
from tasks.watch.traces import VERSION_TAG, Traces

PERSON = AssessmentSource(source_type="HUMAN", source_id="somebody")
JUDGE = AssessmentSource(source_type="LLM_JUDGE", source_id="judge")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A store with the traces that the tests below read."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('traces') / 'mlflow.db'}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        mlflow.set_tracking_uri(uri)
        experiment = mlflow.create_experiment("production", artifact_location=Path(uri[10:]).parent.as_uri())
        mlflow.set_experiment(experiment_id=experiment)
        _answer_some()
        yield uri
    mlflow.set_tracking_uri(None)


def _answer_some() -> None:
    label = _chat(
        "the oldest", [{"content": "ships"}], tags={VERSION_TAG: "3"}, metadata={"mlflow.trace.session": "s1"}
    )
    mlflow.log_expectation(trace_id=label, name="expected_response", value="music", source=PERSON)
    mlflow.log_expectation(trace_id=label, name="expected_response", value="tools", source=JUDGE)
    _chat("refused", [{"content": None, "refusal": "No."}])
    _chat("cut off", [{"content": "th"}], finish_reason="length")
    _chat("no answer", [])

    @mlflow.trace
    def sort(note: str) -> str:
        if note == "boom":
            raise ValueError(note)
        return "fruit"

    sort("apple pear")
    with pytest.raises(ValueError, match="boom"):
        sort("boom")
    with mlflow.start_span("other work", span_type="RETRIEVER") as span:
        span.set_inputs({"a": 1})
    mlflow.flush_trace_async_logging()


def _chat(text: str, messages: list[dict[str, Any]], finish_reason: str = "stop", **noted: Any) -> str:
    asked = [{"role": "system", "content": "Sort."}, {"role": "user", "content": text}]
    with mlflow.start_span("chat", span_type="CHAT_MODEL") as span:
        span.set_inputs({"model": "small", "messages": asked})
        choices = [{"message": {"role": "assistant", **one}, "finish_reason": finish_reason} for one in messages]
        span.set_outputs({"model": "small-2026-06-01", "choices": choices})
        mlflow.update_current_trace(**noted)
    mlflow.flush_trace_async_logging()
    return span.trace_id


def found(store: str, since: float = 0.0, experiment: str = "production") -> tuple[dict[str, Any], Counter[str]]:
    skipped: Counter[str] = Counter()
    return {record.input: record for record in read([Traces(store, experiment, since)], skipped)}, skipped


def test_a_chat_is_its_last_question_and_answer_without_the_prompt(store):
    record = found(store)[0]["the oldest"]
    assert (record.output, record.model, record.version, record.group) == ("ships", "small-2026-06-01", 3, "s1")
    assert record.messages == [{"role": "user", "content": "the oldest"}]
    assert record.latency_ms > 0


def test_what_a_person_expects_is_the_label_and_a_judges_word_is_none(store):
    assert found(store)[0]["the oldest"].expected == "music"


def test_how_an_answer_ended_is_read_off_it(store):
    records = found(store)[0]
    ends = {text: records[text].outcome for text in ("refused", "cut off", "no answer", "boom", "apple pear")}
    assert ends == {
        "refused": "refused",
        "cut off": "truncated",
        "no answer": "failed",
        "boom": "failed",
        "apple pear": None,
    }


def test_a_traced_function_of_one_text_is_a_question_with_its_answer(store):
    assert found(store)[0]["apple pear"].output == "fruit"


def test_other_traces_are_counted(store):
    assert found(store)[1] == {"a trace without a question and an answer": 1}


def test_traces_of_before_and_of_no_experiment_are_none(store):
    assert found(store, since=4e9)[0] == {}
    assert found(store, experiment="none")[1] == {"no experiment is called none yet": 1}


def test_a_store_out_of_reach_is_an_error_without_its_password(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ResumableError, match="production") as stopped:
        found("http://somebody:hunter2@127.0.0.1:9")
    assert "hunter2" not in str(stopped.value)


def test_pages_of_traces_are_read_one_after_another(store, monkeypatch):
    monkeypatch.setattr("tasks.watch.traces.PAGE", 2)
    assert len(found(store)[0]) == 6
