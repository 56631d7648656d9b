"""Personal data in a text, by pattern and check digit: addresses, phone, card, account and national numbers."""

import re
from collections.abc import Callable, Iterator
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address

from data_contracts.data_policy import PrivateKind
from tasks.curate.private.national_ids import NationalIds, Span
from tasks.curate.private.phone_numbers import PhoneNumbers

Search = Callable[[str, int, int], Iterator[Span]]  # text and the two places to look between

# Every repetition has a bound and a fixed left edge, so that no row takes more than linear time.
EMAIL = re.compile(r"(?<![\w.+-])[\w.%+'-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])")
CARD = re.compile(
    r"(?<![\w.+])(?:\d{4}([ .-]?)\d{4}\1\d{4}\1\d{4}|3\d{3}([ .-]?)\d{6}\2\d{4,5}|\d{17,19})(?![\w-]|\.\d)", re.ASCII
)
ISSUED = re.compile(  # first digits and length by issuer: Visa, Mastercard, American Express, Diners, Discover, ...
    r"4(?:\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}|6(?:011|4[4-9]\d|5\d\d)\d{12}|62\d{14,17}"
)
IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}[A-Za-z0-9]{0,30}(?:[ -][A-Za-z0-9]{1,30}){0,9}(?![A-Za-z0-9])")
IPV4 = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)", re.ASCII)
IPV6 = re.compile(r"(?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])", re.IGNORECASE | re.ASCII)
VERSION = re.compile(r"(?:version|release|firmware|build|v)[ :.]*$", re.IGNORECASE)
OTHER_NAME = re.compile(
    r"\b(?:order|invoice|ticket|ref(?:erence)?|case|claim|tracking|parcel|shipment|delivery|booking|receipt|article"
    r"|item|product|part|sku|model|serial|batch|isbn|ean|imei)(?: ?(?:number|no\.?|nr\.?|id|code))?"
    r"(?: (?:is|was))?[ :#]{0,3}$",
    re.IGNORECASE,
)
INSIDE = [IPv4Network(network) for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
FEWEST_FIGURES = 4  # of any number: an address
SHORTEST_IBAN = 15
LONGEST_VERSION = 12
LONGEST_NAME = 40
MARGIN = 60  # characters beside a digit: a name before a number, the letters of an IBAN

_FIGURE = re.compile(r"[0-9]+")
_NO_FIGURES = bytes(code for code in range(256) if not 48 <= code <= 57)
_DIGITS = bytes(48 if 48 <= code <= 57 else 120 for code in range(256))
_CODES = bytes(48 if 48 <= code <= 57 or 65 <= code <= 90 else 120 for code in range(256))
_DOTS = bytes(48 if 48 <= code <= 57 else 46 if code == 46 else 120 for code in range(256))
# The digits of other scripts, the wide ones among them, and the marks that typesetting puts between digits
_FOREIGN = "".join(chr(start + digit) for start in (0x660, 0x6F0, 0x966, 0x9E6, 0xFF10) for digit in range(10))
_MARKS = {0xA0: " ", 0x2007: " ", 0x2009: " ", 0x202F: " ", 0x200B: " ", 0xFF20: "@", 0xFF0E: ".", 0xFF0B: "+"}
_MARKS |= dict.fromkeys(range(0x2010, 0x2016), "-")
_PLAIN = {ord(char): str(at % 10) for at, char in enumerate(_FOREIGN)} | _MARKS
_TYPESET = re.compile(f"[{_FOREIGN}\xa0\u2007\u2009\u202f\u200b\uff20\uff0e\uff0b\u2010-\u2015]")


def plain(text: str) -> str:
    """The text with digits and separators as ASCII has them, of the same length, so that places stay."""
    return text if text.isascii() else _TYPESET.sub(lambda found: _PLAIN[ord(found[0])], text)


class PersonalData:
    """Finds personal data; compiled once."""

    def __init__(self) -> None:
        from stdnum import iban, luhn

        self._is_iban, self._is_luhn = iban.is_valid, luhn.is_valid
        self._ids, self._phones = NationalIds(), PhoneNumbers()

    def numbers(self, text: str, raw: bytes) -> list[tuple[PrivateKind, Span]]:
        """Kind and place of each find; `raw` is the text in UTF-8. Finds of different kinds may overlap."""
        searches = list(self._searches(raw))
        if not searches:
            return []
        places = list(_around_figures(text))
        return [(kind, span) for kind, search in searches for at in places for span in search(text, *at)]

    def _searches(self, raw: bytes) -> Iterator[tuple[PrivateKind, Search]]:
        """The kinds for which there are enough digits, or digits and capitals, in a row."""
        digits = raw.translate(_DIGITS, b" .-/()+")
        has_phone, has_id = b"0" * 7 in digits, b"0" * 9 in raw.translate(_CODES, b" .-+")
        if b"0" * 14 in digits:
            yield "card", self._cards
        if (has_phone or has_id) and len(raw) >= SHORTEST_IBAN:
            yield "iban", self._ibans
        if has_id:
            yield "national_id", self._national_ids
        if has_phone:
            yield "phone", self._phones_in
        if (b"." in raw and b"0.0" in raw.translate(_DOTS)) or b"::" in raw or raw.count(b":") >= 7:
            yield "ip_address", _addresses

    def _cards(self, text: str, start: int, end: int) -> Iterator[Span]:
        return (match.span() for match in CARD.finditer(text, start, end) if self._is_card(match[0]))

    def _national_ids(self, text: str, start: int, end: int) -> Iterator[Span]:
        return (span for span in self._ids.spans(text, start, end) if not _has_other_name(text, span))

    def _phones_in(self, text: str, start: int, end: int) -> Iterator[Span]:
        return (span for span in self._phones.spans(text, start, end) if not _has_other_name(text, span))

    def _is_card(self, written: str) -> bool:
        digits = re.sub(r"\D", "", written)
        return bool(ISSUED.fullmatch(digits)) and self._is_luhn(digits)

    def _ibans(self, text: str, start: int, end: int) -> Iterator[Span]:
        """An account number in groups, without the words that may follow it."""
        for match in IBAN.finditer(text, start, end):
            ends = [gap.start() for gap in re.finditer(r"[ -]|$", match[0])]
            enough = (end for end in reversed(ends) if end >= SHORTEST_IBAN)
            length = next((end for end in enough if self._is_iban(match[0][:end], False)), None)
            if length:
                yield match.start(), match.start() + length


def figures(raw: bytes) -> int:
    """How many digits there are."""
    return len(raw.translate(None, _NO_FIGURES))


def _around_figures(text: str) -> Iterator[Span]:
    """The stretches of a text that hold digits, with what may belong to them: the rest is never searched."""
    if len(text) <= MARGIN:
        yield 0, len(text)
        return
    start = end = -1
    for match in _FIGURE.finditer(text):
        if match.start() > end:
            if end >= 0:
                yield start, end
            start = max(match.start() - MARGIN, 0)
        end = match.end() + MARGIN
    if end >= 0:
        yield start, end


def _has_other_name(text: str, span: Span) -> bool:
    """Whether a number is said to be that of an order, an invoice, a parcel. A + is a phone's all the same."""
    before = text[max(span[0] - LONGEST_NAME, 0) : span[0]]
    return text[span[0]] != "+" and bool(OTHER_NAME.search(before))


def _addresses(text: str, start: int, end: int) -> Iterator[Span]:
    yield from (match.span() for match in IPV4.finditer(text, start, end) if _is_ipv4(match))
    yield from (match.span() for match in IPV6.finditer(text, start, end) if _is_ipv6(match[0]))


def _is_ipv4(match: re.Match[str]) -> bool:
    """An address that may be somebody's: no local one, and no version of a program."""
    try:
        address = IPv4Address(match[0])
    except AddressValueError:
        return False
    nobody = address.is_loopback or address.is_multicast or address.packed[0] in (0, 255)
    before = match.string[max(match.start() - LONGEST_VERSION, 0) : match.start()]
    return not nobody and not any(address in network for network in INSIDE) and not VERSION.search(before)


def _is_ipv6(written: str) -> bool:
    try:
        address = IPv6Address(written)
    except AddressValueError:
        return False
    nobody = address.is_loopback or address.is_unspecified or address.is_link_local or address.is_multicast
    return not nobody and len(written) > 6 and any(char.isdigit() for char in written)  # a::b is a name in a program
