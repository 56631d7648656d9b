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
    MESSAGES = "messages"  # not a chat that ends with the expected answer
    UNKNOWN_LABEL = "unknown_label"  # an output outside the contract's labels
    SCHEMA = "schema"  # an output that breaks the contract's output_schema
    ID_CLASH = "id_clash"  # one id, several contents
    LABEL_CONFLICT = "label_conflict"  # same words, several outputs


class Defect(Exception):  # noqa: N818 - a finding about a record, not a failure of the program
    """A record breaks a rule. `remedy` says what to do and holds no text of the row."""

    def __init__(self, code: Code, remedy: str, field: str = "") -> None:
        super().__init__(code, remedy, field)
        self.code, self.remedy, self.field = code, remedy, field
