"""Why a record is turned away: one code a rule, and a remedy that never quotes the row."""

from enum import StrEnum


class Code(StrEnum):
    """Rules of reading (file to example) and of cleaning (example against example)."""

    BLANK = "blank"  # an empty line
    JSON = "json"  # not JSON
    NOT_AN_OBJECT = "not_an_object"  # JSON, but no {...}
    DUPLICATE_KEY = "duplicate_key"  # a key stands twice
    NUMBER = "number"  # NaN, Infinity, 1e400, thousands of digits
    TOO_DEEP = "too_deep"  # nested deeper than any answer needs
    TOO_LONG = "too_long"  # longer than source.max_record_bytes
    ENCODING = "encoding"  # not UTF-8, or half of a surrogate pair
    CONTROL_CHARACTER = "control_character"  # NUL, escape codes
    FIELDS = "fields"  # CSV: more or fewer fields than the header
    QUOTES = "quotes"  # CSV: a quote that does not open or close a field
    MISSING_FIELD = "missing_field"  # a required column is absent, null or empty
    TYPE = "type"  # a value is not of the column's declared type
    TIMESTAMP = "timestamp"  # not ISO 8601 with an offset
    FUTURE = "future"  # created later than now
    MESSAGES = "messages"  # not a chat that ends with the expected answer
    CONTENT = "content"  # images, audio, files: only text is trained and compared
    WEIGHT = "weight"  # a message's weight that a provider refuses, or that leaves the answer untrained
    TOOLS = "tools"  # definitions of tools that a provider refuses
    TOOL_CALL = "tool_call"  # a call that is malformed, not defined, or not answered
    DEPRECATED = "deprecated"  # functions and function_call
    PAIR = "pair"  # two answers to choose between that are the same
    TOO_MANY_TOKENS = "too_many_tokens"  # more than the base model trains on; a provider would cut it off
    EXPORT = "export"  # not the record that the log or the trace store exports
    NO_ANSWER = "no_answer"  # a log whose answer was refused, cut off, or marked as wrong
    SECRET = "secret"  # noqa: S105 - a key, a token or a password stands in the row
    PERSONAL_DATA = "personal_data"
    UNKNOWN_LABEL = "unknown_label"  # an output outside the contract's labels
    SCHEMA = "schema"  # an output that breaks the contract's output_schema
    ID_CLASH = "id_clash"  # one id, several contents
    LABEL_CONFLICT = "label_conflict"  # same words, several outputs
    EXCLUDED = "excluded"  # left out by a rule of the use case


class Defect(Exception):  # noqa: N818 - a finding about a record, not a failure of the program
    """A record breaks a rule. `remedy` says what to do and holds no text of the row."""

    def __init__(self, code: Code, remedy: str, field: str = "") -> None:
        super().__init__(code, remedy, field)
        self.code, self.remedy, self.field = code, remedy, field
