"""Bad inputs, each a line to plant in a good file: the rule that it breaks, where in the record, and the fix."""

import json
from dataclasses import dataclass
from typing import Any

from tests.curate.chats import FIND_ORDER, assistant, call, calling, chat, pair, result, tool_chat, user
from tests.curate.exported import MARK, assessed, choice, log, trace

MAX_BYTES, MAX_TOKENS = 4_000, 300
KEY = "AKIAIOSFODNN7EXAMPLF"  # the shape of a key of Amazon's


@dataclass(frozen=True)
class Bad:
    """A bad line of a file of that form."""

    name: str
    form: str
    line: bytes
    code: str
    field: str
    fix: str  # stands in the remedy


def row(**changes: Any) -> dict[str, Any]:
    """A flat record that passes."""
    return {"id": "b1", "text": f"{MARK} asks where her parcel is", "label": "parcel", **changes}


def good(form: str, number: int) -> bytes:
    """A line that passes; each number gives another."""
    asked = f"Where is order {number}?"
    match form:
        case "flat":
            return line({"id": f"g{number}", "text": asked, "label": "parcel"})
        case "csv":
            return f'g{number},"{asked} ""please""",parcel,{number},true,2026-01-31T09:30:00Z'.encode()
        case "chat":
            return line(chat(user(asked), assistant()))
        case "tools":
            return line(tool_chat(user(asked), calling(), result(), assistant()))
        case "pairs":
            return line(pair(input=chat(user(asked))))
        case "extraction":
            return line({"text": asked, "answer": {"number": number}})
        case "openai_logs":
            return line(log(asked=asked))
    return line(trace(asked=asked))


def line(record: Any) -> bytes:
    """One line of JSON."""
    return json.dumps(record).encode()


def tool(**changes: Any) -> list[dict[str, Any]]:
    """The tool FIND_ORDER with changes to its function."""
    return [{"type": "function", "function": {**FIND_ORDER["function"], **changes}}]


ASKED = user(f"{MARK} asks")
_NESTED = "[" * 80 + "]" * 80

LINES = [
    ("blank line", b"", "blank", "", "Remove the empty line"),
    ("cut off", line(row())[:-9], "json", "", "Mend the JSON at character"),
    ("two objects on a line", line(row()) * 2, "json", "", "Mend the JSON at character"),
    ("single quotes", str(row()).encode(), "json", "", "Mend the JSON"),
    ("array", line([MARK]), "not_an_object", "", "one JSON object on a line"),
    ("scalar", line(MARK), "not_an_object", "", "one JSON object on a line"),
    ("null", b"null", "not_an_object", "", "one JSON object on a line"),
    ("key twice", line(row())[:-1] + b', "label": "card"}', "duplicate_key", "label", "Keep one of the values"),
    ("NaN", line(row(amount=float("nan"))), "number", "", "write null"),
    ("infinity", line(row(amount=float("inf"))), "number", "", "write null"),
    ("1e400", line(row(amount=7)).replace(b"7}", b"1e400}"), "number", "", "as a string"),
    ("endless digits", line(row(amount=7)).replace(b"7}", b"7" * 3000 + b"7" * 999 + b"}"), "too_long", "", "Shorten"),
    ("nested too deep", line(row()).replace(b'"parcel"', _NESTED.encode()), "too_deep", "", "at most 64 levels"),
    ("too long", line(row(text=MARK * 600)), "too_long", "", "source.max_record_bytes"),
    ("not UTF-8", line(row()).replace(b"asks", b"a\xe9ks"), "encoding", "", "as UTF-8"),
    ("half an emoji", line(row(text=f"{MARK} \ud83d")), "encoding", "text", "export again"),
    ("NUL, escaped", line(row(text=f"{MARK}\0")), "control_character", "text", "U+0000"),
    ("NUL, raw", line(row()).replace(b"asks", b"a\0ks"), "control_character", "", "Remove the NUL"),
    ("escape code", line(row(text=f"{MARK}\x1b[31m")), "control_character", "text", "U+001B"),
    ("no text", line({"id": MARK, "label": "parcel"}), "missing_field", "text", "required: false"),
    ("null label", line(row(label=None)), "missing_field", "label", "Fill it in"),
    ("empty text", line(row(id=MARK, text="")), "missing_field", "text", "Fill it in"),
    ("blank text", line(row(id=MARK, text=" \n")), "missing_field", "text", "needs a text"),
    ("list for a text", line(row(text=[MARK])), "type", "text", "declared string"),
    ("number for a text", line(row(id=MARK, text=7)), "type", "text", "holds int"),
    ("number for an id", line(row(id=7)), "type", "id", "declared string"),
    ("1 for true", line(row(vip=1)), "type", "vip", "declared boolean"),
    ("text for a number", line(row(amount="3")), "type", "amount", "declared number"),
    ("true for a number", line(row(amount=True)), "type", "amount", "declared number"),
    ("time without an offset", line(row(at="2026-01-31T09:30:00")), "timestamp", "at", "+01:00"),
    ("time of another spelling", line(row(at="21/03/2026 14:05")), "timestamp", "at", "2026-01-31T09:30:00+01:00"),
    ("seconds for a time", line(row(at=1767225600)), "type", "at", "declared datetime"),
    ("time to come", line(row(at="2999-01-01T00:00:00Z")), "future", "at", "correct the clock"),
    ("unknown label", line(row(label=MARK)), "unknown_label", "label", "add it to `labels`"),
    ("label in capitals", line(row(label="Parcel")), "unknown_label", "label", "`parcel`"),
    ("secret", line(row(text=f"{MARK} {KEY}")), "secret", "text", "curation.privacy.rules.secret"),
    ("e-mail address", line(row(text=f"{MARK}@example.com asks")), "personal_data", "text", "rules.email"),
    ("payment card", line(row(text=f"{MARK} 4111 1111 1111 1111")), "personal_data", "text", "rules.card"),
]
CELLS = [
    ("extra field", f"b1,{MARK} asks,parcel,1,true,,more", "fields", "", "7 fields, but the header has 6"),
    ("field too few", f"b1,{MARK} asks,parcel,1,true", "fields", "", "5 fields, but the header has 6"),
    ("comma without quotes", f"b1,{MARK}, asks,parcel,1,true,", "fields", "", "quote a field with a comma"),
    ("quote inside a field", f'b1,{MARK} "asks",parcel,1,true,', "quotes", "", 'say ""hi""'),
    ("quote that never closes", f'b1,"{MARK} asks,parcel,1,true,', "quotes", "", "double it"),
    ("blank line in CSV", "", "blank", "", "Remove the empty line"),
    ("leading zeros", f"b1,{MARK} asks,parcel,007,true,", "type", "count", "declared integer"),
    ("exponent", f"b1,{MARK} asks,parcel,1e5,true,", "type", "count", "declared integer"),
    ("yes for true", f"b1,{MARK} asks,parcel,1,yes,", "type", "vip", "declared boolean"),
    ("empty label", f"b1,{MARK} asks,,1,true,", "missing_field", "label", "Fill it in"),
    ("NA is a text", f"b1,{MARK} asks,NA,1,true,", "unknown_label", "label", "Correct the label"),
    ("CSV time without an offset", f"b1,{MARK} asks,parcel,1,true,2026-01-31", "timestamp", "at", "Z for UTC"),
]
CHATS = [
    ("messages as an object", {"messages": ASKED}, "type", "messages", "declared messages"),
    ("no messages", chat(ASKED) | {"messages": []}, "messages", "messages", "list of messages"),
    ("message as a text", chat() | {"messages": [MARK]}, "messages", "messages", "role and content"),
    ("unknown role", chat({"role": "bot", "content": MARK}, assistant()), "messages", "messages", "must be one of"),
    ("no role", chat({"content": MARK}, assistant()), "messages", "messages", "the role must be one of"),
    ("role function", chat(ASKED, {"role": "function", "name": "f"}), "deprecated", "messages", "role `tool`"),
    ("empty content", chat(ASKED, assistant(" ")), "messages", "messages", "Message 2: the content must be a text"),
    ("null content", chat(user(None, name=MARK), assistant()), "messages", "messages", "Message 1: the content"),
    (
        "image",
        chat(user([{"type": "text", "text": MARK}, {"type": "image_url", "image_url": {"url": "x"}}]), assistant()),
        "content",
        "messages",
        "part 2 is no text",
    ),
    ("audio", chat(ASKED, assistant(audio={"id": MARK})), "content", "messages", "take `audio` out"),
    ("unknown key", chat(user(MARK, colour=MARK), assistant()), "messages", "messages", "every key but role, content"),
    ("function_call", chat(ASKED, assistant(function_call={"name": "f"})), "deprecated", "messages", "`tool_calls`"),
    ("functions", chat(ASKED, assistant(), functions=[{"name": "f"}]), "deprecated", "functions", "as `tools`"),
    ("refusal", chat(ASKED, assistant(refusal=MARK)), "no_answer", "messages", "leave the record out"),
    ("no answer", chat(ASKED), "messages", "messages", "last message must be the assistant's"),
    ("nobody asks", chat(assistant(MARK)), "messages", "messages", "must be the user's"),
    (
        "instructions late",
        chat(ASKED, {"role": "system", "content": MARK}, assistant()),
        "messages",
        "messages",
        "Message 2: system and developer messages stand before",
    ),
    ("weight of a question", chat(user(MARK, weight=1), assistant()), "weight", "messages", "leave it out"),
    ("weight of a half", chat(ASKED, assistant(weight=0.5)), "weight", "messages", "must be 0 or 1"),
    ("weight as a truth", chat(ASKED, assistant(weight=True)), "weight", "messages", "must be 0 or 1"),
    ("answer without weight", chat(ASKED, assistant(weight=0)), "weight", "messages", "give its message weight 1"),
    ("name with a space", chat(user(MARK, name="ann lee"), assistant()), "messages", "messages", "without space"),
    ("tools that nobody maps", tool_chat(ASKED, assistant()), "tools", "tools", "mapping.tools"),
    ("too many tokens", chat(user(f"{MARK} " * 100), assistant()), "too_many_tokens", "messages", "source.max_tokens"),
]
TOOLS = [
    ("calls as an object", tool_chat(ASKED, assistant(tool_calls=call())), "tool_call", "messages", "must be a list"),
    ("call without an id", tool_chat(ASKED, calling(call(identity=""))), "tool_call", "messages", "give it an `id`"),
    ("call of a custom tool", tool_chat(ASKED, calling({**call(), "type": "custom"})), "tool_call", "messages", "type"),
    (
        "arguments that are no JSON",
        tool_chat(ASKED, calling({**call(), "function": {"name": "find_order", "arguments": "{7"}})),
        "tool_call",
        "messages",
        "Message 2, call 1: write `arguments` as the text of one JSON object",
    ),
    (
        "arguments as an object",
        tool_chat(ASKED, calling({**call(), "function": {"name": "find_order", "arguments": {}}})),
        "tool_call",
        "messages",
        "write `arguments` as the text",
    ),
    ("tool without definition", tool_chat(ASKED, calling(call(name="f"))), "tool_call", "messages", "record's `tools`"),
    ("calls without tools", chat(ASKED, calling()), "tool_call", "messages", "define every tool"),
    ("call without a result", tool_chat(ASKED, calling(), user(), assistant()), "tool_call", "messages", "Message 3"),
    ("result without a call", tool_chat(ASKED, result(), assistant()), "tool_call", "messages", "`tool_call_id` must"),
    (
        "result given twice",
        tool_chat(ASKED, calling(), result(), result(MARK), assistant()),
        "tool_call",
        "messages",
        "Message 4: its `tool_call_id` must be that of a call",
    ),
    (
        "result of no call",
        tool_chat(ASKED, calling(), {"role": "tool", "content": MARK}, assistant()),
        "tool_call",
        "messages",
        "name the call that it answers",
    ),
    (
        "one id for two calls",
        tool_chat(ASKED, calling(), result(), calling(), result(), assistant()),
        "tool_call",
        "messages",
        "an id of its own",
    ),
    (
        "several calls where one is allowed",
        tool_chat(ASKED, calling(call(), call(identity="b")), parallel_tool_calls=False),
        "tool_call",
        "messages",
        "one tool at a time",
    ),
    (
        "answer of text and calls",
        tool_chat(ASKED, {**calling(), "content": MARK}),
        "tool_call",
        "messages",
        "leave its text out",
    ),
    (
        "arguments that break the tool's schema",
        tool_chat(ASKED, calling({**call(), "function": {"name": "find_order", "arguments": "{}"}})),
        "schema",
        "messages",
        "`required` of the tool's `parameters`",
    ),
    ("tool as a text", tool_chat(ASKED, assistant(), tools=[MARK]), "tools", "tools", "Tool 1: write it as {type:"),
    ("tool of the old form", tool_chat(ASKED, assistant(), tools=[{"name": "f"}]), "tools", "tools", "write it as"),
    (
        "tool with a space in its name",
        tool_chat(ASKED, assistant(), tools=tool(name="f o")),
        "tools",
        "tools",
        "1 to 64",
    ),
    (
        "parameters of another type",
        tool_chat(ASKED, assistant(), tools=tool(parameters={"type": "array"})),
        "tools",
        "tools",
        "type: object",
    ),
    (
        "parameters that are no schema",
        tool_chat(ASKED, assistant(), tools=tool(parameters={"type": "object", "properties": {"a": {"type": "txt"}}})),
        "tools",
        "tools",
        "JSON Schema 2020-12",
    ),
    ("one name for two tools", tool_chat(ASKED, assistant(), tools=[FIND_ORDER] * 2), "tools", "tools", "of its own"),
    (
        "parallel as a text",
        tool_chat(ASKED, assistant(), parallel_tool_calls="no"),
        "tools",
        "tools",
        "true or false",
    ),
    ("parallel without tools", chat(ASKED, assistant(), parallel_tool_calls=True), "tools", "tools", "Leave"),
]
PAIRS = [
    ("same answers", pair(non_preferred_output=[assistant("On its  way.")]), "pair", "non_preferred_output", "differ"),
    (
        "two answers",
        pair(preferred_output=[assistant(MARK)] * 2),
        "messages",
        "preferred_output",
        "exactly one message",
    ),
    ("answer of the user", pair(non_preferred_output=[ASKED]), "messages", "non_preferred_output", "exactly one"),
    ("no answer to reject", pair(non_preferred_output=[]), "messages", "non_preferred_output", "list of messages"),
    ("no preferred answer", pair(preferred_output=None), "missing_field", "preferred_output", "Fill it in"),
    (
        "input that is answered",
        pair(input=chat(ASKED, assistant())),
        "messages",
        "input",
        "must not be the assistant's",
    ),
    ("unknown key in input", pair(input=chat(ASKED, model=MARK)), "messages", "input", "every key but messages, tools"),
    ("functions in input", pair(input=chat(ASKED, functions=[])), "deprecated", "input", "as `tools`"),
]
EXTRACTIONS = [
    ("answer that breaks the schema", {"text": MARK, "answer": {"number": "7"}}, "schema", "answer", "$.number breaks"),
    ("answer without a field", {"text": MARK, "answer": {}}, "schema", "answer", "breaks `required`"),
    ("answer as a text", {"text": MARK, "answer": "{}"}, "type", "answer", "declared object"),
]
LOGS = [
    ("log without messages", log(messages=None), "export", "messages", "GET /chat/completions/ID/messages"),
    ("log of some messages", log(messages={"data": [ASKED], "has_more": True}), "export", "messages", "fetch the rest"),
    ("log of two choices", log(choices=[choice(), choice()]), "export", "choices", "Keep one choice"),
    ("log that is cut off", log(choices=[choice("length")]), "no_answer", "finish_reason", "leave the record out"),
    ("log that is filtered", log(choices=[choice("content_filter")]), "no_answer", "finish_reason", "filtered"),
    ("log of a refusal", log(choices=[choice(refusal=MARK)]), "no_answer", "refusal", "leave the record out"),
    ("log of a function_call", log(choices=[choice("function_call")]), "deprecated", "choices", "as `tool_calls`"),
    ("log with a bad time", log(created=[1]), "timestamp", "created", "a number since 1970"),
]
TRACES = [
    ("no trace", {"text": MARK}, "export", "trace", "Trace.to_json()"),
    ("trace without a chat", trace(span="RETRIEVER"), "export", "spans", "CHAT_MODEL"),
    ("trace that failed", trace(state="ERROR"), "no_answer", "state", "leave it out"),
    ("trace that is cut off", trace(choices=[choice("length")]), "no_answer", "finish_reason", "leave the record out"),
    (
        "trace that a person calls wrong",
        trace(assessments=[assessed("correctness", "feedback", False)]),
        "no_answer",
        "assessments",
        "expected_response",
    ),
    (
        "trace with two expectations",
        trace(assessments=[assessed(name, "expectation", MARK) for name in ("a", "b")]),
        "export",
        "assessments",
        "`expected_response`",
    ),
]
BAD = [
    *(Bad(name, "flat", *rest) for name, *rest in LINES),
    *(Bad(name, "csv", text.encode(), *rest) for name, text, *rest in CELLS),
    *(
        Bad(name, form, line(record), *rest)
        for form, records in (
            ("chat", CHATS),
            ("tools", TOOLS),
            ("pairs", PAIRS),
            ("extraction", EXTRACTIONS),
            ("openai_logs", LOGS),
            ("mlflow_traces", TRACES),
        )
        for name, record, *rest in records
    ),
]
