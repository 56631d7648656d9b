"""What a provider or an environment says, made fit to be shown: no key, no control character, no endless text."""

import logging
import os
import re

_KEYS = re.compile(r"sk-[\w*-]{8,}|AKIA[0-9A-Z]{16}|bearer\s+[\w.~+/=-]{8,}", re.IGNORECASE)
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|AUTH_STRING", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def redact(text: str) -> str:
    """The text without anything that looks like a key or is the value of a variable named like one."""
    for name, value in os.environ.items():
        if len(value) >= 8 and _SECRET_NAME.search(name):
            text = text.replace(value, "***")
    return _KEYS.sub("***", text)


def shown(text: str, limit: int = 300) -> str:
    """Foreign text as one redacted line of at most `limit` characters."""
    line = " ".join(_UNPRINTABLE.sub(" ", redact(text)).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


class Redacting(logging.Filter):
    """Redacts each record. It belongs on handlers: a logger's filter does not see what its children log."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record, its text redacted."""
        record.msg, record.args = redact(record.getMessage()), ()
        return True
