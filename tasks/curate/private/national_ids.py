"""Numbers that a state gives a person: found by shape, confirmed by their check digits where they have some."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module

Span = tuple[int, int]

# Shapes that nothing else has, or whose check digits and dates leave little to chance; stdnum's modules confirm them.
SHAPES: dict[str, tuple[str, ...]] = {
    r"\d{3}-\d{2}-\d{4}": ("us.ssn", "us.itin"),
    r"\d{3}-\d{3}-\d{3}": ("ca.sin",),
    r"\d{6}(?:\d{2})?[-+]\d{4}": ("se.personnummer", "dk.cpr"),
    r"\d{6}-[1-8]\d{6}": ("kr.rrn",),
    r"\d{6}[-+A-FY]\d{3}[0-9A-Y]": ("fi.hetu",),
    r"\d{3}\.\d{3}\.\d{3}-\d{2}": ("br.cpf",),
    r"756\.\d{4}\.\d{4}\.\d{2}": ("ch.ssn",),
    r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}": ("be.nn",),
    r"[2-9]\d{3} \d{4} \d{4}": ("in_.aadhaar",),
    r"[12] ?\d{2} ?(?:0[1-9]|1[0-2]) ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}": ("fr.nir",),
    r"\d{17}[\dX]": ("cn.ric",),
    r"\d{8}-?[A-Z]": ("es.dni",),
    r"[XYZ]-?\d{7}-?[A-Z]": ("es.nie",),
    r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]": ("it.codicefiscale",),
    r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[A-Z0-9]\d": ("mx.curp",),
    r"[A-Z]{3}P[A-Z]\d{4}[A-Z]": ("in_.pan",),
    r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]": (),  # United Kingdom: no check digit
}
# Bare runs of digits, of which one in ten passes a check: a number only where its name stands before it.
NAMED: dict[str, tuple[str, ...]] = {
    r"(?:ssn|social security(?: number)?)": ("us.ssn",),
    r"pesel": ("pl.pesel",),
    r"nhs(?: number)?": ("gb.nhs",),
    r"(?:bsn|burgerservicenummer)": ("nl.bsn",),
    r"(?:steuer-?id(?:entifikationsnummer)?|idnr|steuerliche identifikationsnummer)": ("de.idnr",),
    r"(?:fødselsnummer|personnummer)": ("no.fodselsnummer", "se.personnummer"),
    r"(?:tfn|tax file number)": ("au.tfn",),
    r"(?:sin|social insurance number)": ("ca.sin",),
    r"(?:cpf)": ("br.cpf",),
    r"aadhaar(?: number)?": ("in_.aadhaar",),
}


class NationalIds:
    """Finds national ids; compiled once."""

    def __init__(self) -> None:
        shapes = "|".join(f"(?P<s{at}>{shape})" for at, shape in enumerate(SHAPES))
        names = "|".join(f"(?P<s{at}>{name})" for at, name in enumerate(NAMED))
        between = r"(?:\s{0,2}(?:is|no\.?|[:#=])){0,2}\s{0,2}"
        self._shapes = re.compile(rf"(?<![\w.-])(?<!\d )(?:{shapes})(?![\w-]|[. ]\d)", re.ASCII)
        self._names = re.compile(rf"(?<!\w)(?:{names}){between}(?P<id>\d(?:[ .-]?\d){{8,10}})(?!\w)", re.IGNORECASE)
        self._shape_checks = [_checks(modules) for modules in SHAPES.values()]
        self._name_checks = [_checks(modules) for modules in NAMED.values()]

    def spans(self, text: str, start: int, end: int) -> Iterator[Span]:
        """Where ids stand between two places of the text."""
        for match in self._shapes.finditer(text, start, end):
            checks = self._shape_checks[int((match.lastgroup or "s0")[1:])]
            if not checks or any(check(match[0]) for check in checks):
                yield match.span()
        for match in self._names.finditer(text, start, end):
            named = next(int(group[1:]) for group, found in match.groupdict().items() if found and group != "id")
            if any(check(match["id"]) for check in self._name_checks[named]):
                yield match.span("id")


def _checks(modules: tuple[str, ...]) -> list[Callable[[str], bool]]:
    return [partial(_holds, import_module(f"stdnum.{name}").is_valid) for name in modules]


def _holds(is_valid: Callable[[str], bool], number: str) -> bool:
    try:
        return is_valid(number)
    except LookupError:  # stdnum's table of places has gaps
        return False
