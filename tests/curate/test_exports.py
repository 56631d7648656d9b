"""Logs and traces as their own tools export them become chats with an answer that may be learnt from."""

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from openai.types.chat import ChatCompletion

from tasks.curate.defects import Defect
from tasks.curate.quarantine import Quarantine
from tasks.curate.read import read
from tasks.curate.reading.exports import from_mlflow_trace, from_openai_log
from tests.curate.cases import contract, use_case
from tests.curate.chats import FIND_ORDER, call, user
from tests.curate.exported import assessed, choice, log, trace

ASKED = [{"role": "system", "content": "Be brief."}, user("Where is order 7?")]
SAID = {"role": "assistant", "content": "On its way.", "refusal": None, "annotations": [], "tool_calls": None}


# ---------------------------------------------------------------- stored chat completions


def test_a_stored_completion_and_its_messages_are_a_chat_that_ends_with_the_answer():
    completion = ChatCompletion.model_validate(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_767_225_600,
            "model": "gpt-4.1-mini-2025-04-14",
            "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None, "message": SAID}],
            "metadata": {"channel": "chat"},
            "tools": None,
        }
    )
    stored = [{**message, "id": f"m-{at}", "name": None, "content_parts": None} for at, message in enumerate(ASKED)]
    messages = {"object": "list", "data": stored, "first_id": "m-0", "last_id": "m-1", "has_more": False}
    flat = from_openai_log({**completion.model_dump(mode="json"), "messages": messages})
    assert [(message["role"], message["content"]) for message in flat["messages"]] == [
        ("system", "Be brief."),
        ("user", "Where is order 7?"),
        ("assistant", "On its way."),
    ]
    assert (flat["id"], flat["model"], flat["metadata.channel"]) == ("chatcmpl-1", "gpt-4.1-mini-2025-04-14", "chat")
    assert (flat["created_at"], flat["answer_by"]) == ("2026-01-01T00:00:00+00:00", "model")
    assert "tools" not in flat


def test_messages_may_be_the_bare_list_and_bring_tools():
    calls = choice("tool_calls", content=None, tool_calls=[call()])
    flat = from_openai_log(log(messages=ASKED, choices=[calls], tools=[FIND_ORDER], parallel_tool_calls=False))
    assert (flat["tools"], flat["parallel_tool_calls"]) == ([FIND_ORDER], False)
    assert flat["messages"][-1]["tool_calls"] == [call()]


def test_content_that_was_sent_in_parts_is_read_from_them():
    parts = [{"type": "image_url", "image_url": {"url": "x"}}]
    flat = from_openai_log(log(messages=[{**user("[image]"), "content_parts": parts}]))
    assert flat["messages"][0]["content"] == parts


# ---------------------------------------------------------------- traces


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Three traces out of a real store, by both ways of exporting them: question -> record.

    In a process of its own: which store and experiment are active, MLflow writes into the environment.
    """
    pytest.importorskip("mlflow")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_export, tmp_path_factory.mktemp("mlflow")).result()


def _export(folder):
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.create_experiment("chats", artifact_location=str(folder / "artifacts"))
    mlflow.set_experiment("chats")
    traces = {question: _traced(mlflow, question) for question in ("plain", "expected", "judged")}
    mlflow.flush_trace_async_logging()
    source = mlflow.entities.AssessmentSource("HUMAN", "ann")
    mlflow.log_expectation(trace_id=traces["expected"], name="expected_response", value={"city": "Ulm"}, source=source)
    mlflow.log_feedback(trace_id=traces["expected"], name="correctness", value=False, source=source)
    mlflow.log_feedback(trace_id=traces["judged"], name="correctness", value=False, source=source)
    rows = [json.loads(row) for row in mlflow.search_traces().to_json(orient="records", lines=True).splitlines()]
    by_id = {row["trace_id"]: row for row in rows}
    whole = {question: json.loads(mlflow.get_trace(trace).to_json()) for question, trace in traces.items()}
    bare = {question: {**by_id[trace]} for question, trace in traces.items()}
    for row in bare.values():
        row.pop("trace")
    return {"to_json": whole, "rows": {name: by_id[trace] for name, trace in traces.items()}, "bare rows": bare}


def _traced(mlflow, question):
    with mlflow.start_span("agent", span_type="AGENT") as root:
        root.set_inputs({"question": question})
        mlflow.update_current_trace(tags={"channel": "chat"}, metadata={"mlflow.trace.session": "s-1"})
        for turn, said in enumerate(("Let me see.", "On its way.")):
            with mlflow.start_span("Completions", span_type="CHAT_MODEL") as span:
                messages = [*ASKED[:1], user(question), *([{**SAID, "content": "Let me see."}] * turn)]
                span.set_inputs({"messages": messages, "model": "gpt-4.1-mini", "tools": [FIND_ORDER]})
                answer = {**SAID, "content": said}
                span.set_outputs(
                    {"model": "gpt-4.1-mini-2025-04-14", "choices": [{"finish_reason": "stop", "message": answer}]}
                )
        root.set_outputs(said)
    return root.trace_id


@pytest.mark.parametrize("form", ["to_json", "rows", "bare rows"])
def test_a_trace_gives_the_chat_of_its_last_chat_span(exported, form):
    flat = from_mlflow_trace(exported[form]["plain"])
    assert [message["content"] for message in flat["messages"]] == ["Be brief.", "plain", "Let me see.", "On its way."]
    assert (flat["model"], flat["tools"], flat["answer_by"]) == ("gpt-4.1-mini-2025-04-14", [FIND_ORDER], "model")
    assert (flat["tags.channel"], flat["metadata.mlflow.trace.session"]) == ("chat", "s-1")
    assert flat["id"].startswith("tr-") and flat["created_at"].startswith("20")


@pytest.mark.parametrize("form", ["to_json", "rows", "bare rows"])
def test_what_a_person_expects_is_the_answer_whatever_the_model_said(exported, form):
    flat = from_mlflow_trace(exported[form]["expected"])
    assert flat["messages"][-1] == {"role": "assistant", "content": '{"city":"Ulm"}'}
    assert flat["answer_by"] == "person"


@pytest.mark.parametrize("form", ["to_json", "rows", "bare rows"])
def test_an_answer_that_a_person_judged_as_wrong_is_not_learnt_from(exported, form):
    with pytest.raises(Defect, match="no_answer"):
        from_mlflow_trace(exported[form]["judged"])


def test_the_only_expectation_of_a_person_counts_under_any_name_and_a_judges_never():
    ours, other = assessed("label", "expectation", "parcel"), assessed("guess", "expectation", "card")
    other["source"]["source_type"] = "LLM_JUDGE"
    flat = from_mlflow_trace(trace(assessments=[other, ours]))
    assert flat["messages"][-1]["content"] == "parcel"


def test_of_several_expected_responses_the_latest_counts_and_an_overridden_one_never():
    said = [
        {**assessed("expected_response", "expectation", text), "last_update_time": f"2026-01-0{day}T00:00:00Z"}
        for day, text in ((2, "second"), (1, "first"), (3, "third"))
    ]
    said[2]["valid"] = False
    assert from_mlflow_trace(trace(assessments=said))["messages"][-1]["content"] == "second"


def test_an_expected_response_mends_a_trace_that_failed():
    expected = assessed("expected_response", "expectation", "parcel")
    assert from_mlflow_trace(trace(state="ERROR", assessments=[expected]))["answer_by"] == "person"


def test_an_export_is_a_source_whose_notes_a_contract_may_name(exported, tmp_path: Path):
    rules = contract(
        columns={
            "id": {},
            "messages": {"type": "messages"},
            "tools": {"type": "messages"},
            "created_at": {"type": "datetime"},
            "metadata.mlflow.trace.session": {},
            "tags.channel": {},
        },
        mapping={
            "id": "id",
            "messages": "messages",
            "tools": "tools",
            "created_at": "created_at",
            "group": "metadata.mlflow.trace.session",
            "slices": ["tags.channel"],
        },
    )
    path = tmp_path / "traces.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in exported["rows"].values()))
    case = use_case({"path": str(path), "format": "mlflow_traces"}, rules=rules, kind="free_text")
    with Quarantine(tmp_path / "quarantine.jsonl") as quarantine:
        raw = read(case, tmp_path / "raw.parquet", quarantine)
    assert (raw.rows, dict(quarantine.codes)) == (2, {"no_answer": 1})
