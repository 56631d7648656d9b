"""How many tokens a training record has at most, without a tokeniser: none comes without a download."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# A high estimate, so that a cap or a limit holds: o200k takes about 4 bytes of English a token, the embedded provider
# was measured at 2.8 (mails to JSON) to 3.4 (short English questions). Only random characters come below 3.
BYTES_PER_TOKEN = 3
TOKENS_PER_MESSAGE = 4  # role and separators
TOKENS_PER_CALL = 8  # id, type and separators


def most_tokens(messages: Sequence[Mapping[str, Any]], tools: str = "") -> int:
    """An upper estimate: a third of the UTF-8 bytes of each text, rounded up, and what frames it.

    `tools` is the JSON of what the request says of tools.
    """
    return sum(_third(text) + frame for message in messages for text, frame in _texts(message)) + _third(tools)


def _texts(message: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    yield message.get("content") or "", TOKENS_PER_MESSAGE
    for call in message.get("tool_calls", ()):
        yield call["function"]["name"] + call["function"]["arguments"], TOKENS_PER_CALL


def _third(text: str) -> int:
    return -(-len(text.encode()) // BYTES_PER_TOKEN)
