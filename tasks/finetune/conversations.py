"""A line of a training file as the conversations that it teaches, and what a provider refuses about them.

Supervised: `{"messages": [...]}`, ending with the answer. Direct preference optimisation: `{"input": {"messages"},
"preferred_output", "non_preferred_output"}`. Reinforcement: messages that end with the question, `reference_answer`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

KEYS = {  # role -> what its messages have, and what they may have
    "system": ({"content"}, set()),
    "user": ({"content"}, {"name"}),
    "assistant": (set(), {"content", "name", "weight", "tool_calls"}),
    "tool": ({"content", "tool_call_id"}, set()),
}
SETTINGS = {"tools", "parallel_tool_calls"}
OUTPUTS = ("preferred_output", "non_preferred_output")
Conversation = Mapping[str, Any]


def conversations(record: Mapping[str, Any]) -> list[Conversation]:
    """Messages and tools, each conversation with its answer: one of them, or the two of a preference."""
    if "input" in record:
        asked = record["input"]
        return [{**asked, "messages": [*asked["messages"], *record[name]]} for name in OUTPUTS]
    if "reference_answer" in record:
        answer = {"role": "assistant", "content": record["reference_answer"]}
        settings = {key: record[key] for key in SETTINGS & set(record)}
        return [{**settings, "messages": [*record["messages"], answer]}]
    return [record]


def problems(record: Mapping[str, Any]) -> Iterator[str]:
    """What a provider refuses, or worse, takes and trains on."""
    if "input" in record and not _is_pair(record):
        yield "is not an object with `input`, `preferred_output`, `non_preferred_output` and nothing else"
        return
    if "input" in record and record[OUTPUTS[0]] == record[OUTPUTS[1]]:
        yield "prefers an answer to itself"
    for conversation in conversations(record):
        yield from _conversation_problems(conversation)


def _is_pair(record: Mapping[str, Any]) -> bool:
    """Each output is one message: that is all that a preference may be about."""
    asked = record["input"]
    return (
        set(record) == {"input", *OUTPUTS}
        and isinstance(asked, dict)
        and isinstance(asked.get("messages"), list)
        and all(isinstance(record[name], list) and len(record[name]) == 1 for name in OUTPUTS)
    )


def _conversation_problems(record: Conversation) -> Iterator[str]:
    messages = record.get("messages")
    if not set(record) <= {"messages"} | SETTINGS or not isinstance(messages, list) or not messages:
        yield "is not an object with a list of `messages`, `tools` where there are any, and nothing else"
        return
    for number, message in enumerate(messages, 1):
        yield from (f"message {number} {problem}" for problem in _message_problems(message))
    plain = [message for message in messages if isinstance(message, dict)]
    roles = [message.get("role") for message in plain]
    if roles[-1:] != ["assistant"] or plain[-1].get("weight") == 0:
        yield "the last message is not the assistant's, or has weight 0, so there is nothing to learn"
    if "user" not in roles:
        yield "there is no user message"
    if "system" in roles[1:]:
        yield "a system message stands behind other messages"
    yield from _call_problems(plain, "tools" in record)


def _message_problems(message: object) -> Iterator[str]:
    if not isinstance(message, dict):
        yield "is not an object with `role` and `content`"
    elif message.get("role") not in KEYS:
        yield f"has a role other than {', '.join(KEYS)}"
    else:
        needed, allowed = KEYS[message["role"]]
        content = message.get("content", "calls" if message.get("tool_calls") else None)
        if not needed <= set(message) - {"role"} <= needed | allowed:
            yield f"is not an object with `role`, {', '.join(sorted(needed | allowed))} and nothing else"
        elif not isinstance(content, str) or not content.strip():
            yield "has no text"


def _call_problems(messages: Sequence[Mapping[str, Any]], defined: bool) -> Iterator[str]:
    opened: set[str] = set()
    for number, message in enumerate(messages, 1):
        if message.get("role") == "tool" and message.get("tool_call_id") in opened:
            opened.remove(message["tool_call_id"])
        elif opened or message.get("role") == "tool":
            yield f"message {number} does not fit the tool calls before it, each of which has one result"
            return
        opened |= {call["id"] for call in message.get("tool_calls", ())}
    if not defined and any(message.get("tool_calls") for message in messages):
        yield "it calls tools, and defines none"
