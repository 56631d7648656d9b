"""Phone numbers, told apart from order numbers, dates and amounts by how they are written."""

import re
from collections.abc import Iterator

Span = tuple[int, int]

NUMBER = re.compile(
    r"(?<![\w.,#/-])(?:\+ ?)?\(?\d(?:(?:[ ./-]?[()]{1,2} ?|[ ./-]?)\d){6,14}(?![\w-]|[.,/]\d)", re.ASCII
)
NAMED = re.compile(  # what stands before a number that is to be called
    r"(?:phone|telephone|tel|telefon|mobile|mobil|cell|handy|whats ?app|fax|sms|call(?: (?:me|us|him|her))?"
    r"|(?:ring|text|reach) (?:me|us|him|her))(?: ?(?:number|no\.?|nr\.?))?(?: (?:is|on|at|under|unter))?[ .:]{0,3}$",
    re.IGNORECASE,
)
NORTH_AMERICAN = re.compile(r"(?:1[ .-])?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}")
DATE = re.compile(r"(?:19|20)\d\d([-/. ])\d{1,2}\1\d{1,2}|(?<!\d)\d{1,2}([-/.])\d{1,2}\2(?:19|20)\d\d")
TRUNK_ZERO = ("GB", "DE", "FR", "NL", "IT", "BE", "CH", "AT", "SE", "AU", "IN", "JP", "ZA")
LONGEST_NAME = 40


class PhoneNumbers:
    """Finds phone numbers by libphonenumber's plans."""

    def spans(self, text: str, start: int, end: int) -> Iterator[Span]:
        """Where phone numbers stand between two places: international, grouped as at home, or named as one."""
        for match in NUMBER.finditer(text, start, end):
            before = text[max(match.start() - LONGEST_NAME, 0) : match.start()]
            if self._is_phone(match[0], bool(NAMED.search(before))):
                yield match.span()

    def _is_phone(self, written: str, named: bool) -> bool:
        digits = re.sub(r"\D", "", written)
        if written.startswith("+") or digits.startswith("00"):
            return _is_possible("+" + digits.removeprefix("00"))
        if DATE.search(written):
            return False
        if named:
            return _is_possible(digits, "US") or _is_possible(digits, "DE")
        if NORTH_AMERICAN.fullmatch(written):
            return _is_valid(digits, "US")
        grouped = digits.startswith("0") and len(digits) >= 9 and not written.isdigit()
        return grouped and any(_is_valid(digits, region) for region in TRUNK_ZERO)


def _is_possible(digits: str, region: str | None = None) -> bool:
    import phonenumbers as library

    try:
        reason = library.is_possible_number_with_reason(library.parse(digits, region))
    except library.NumberParseException:
        return False
    return bool(reason == library.ValidationResult.IS_POSSIBLE)


def _is_valid(digits: str, region: str) -> bool:
    import phonenumbers as library

    try:
        return library.is_valid_number(library.parse(digits, region))
    except library.NumberParseException:
        return False
