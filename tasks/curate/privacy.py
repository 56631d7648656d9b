"""Secrets and personal data in the text of a row: masked, turned away or let through, and counted."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from data_contracts.data_policy import Privacy, PrivateKind
from tasks.curate.defects import Code, Defect
from tasks.curate.private.personal_data import EMAIL, FEWEST_FIGURES, PersonalData, figures, plain
from tasks.curate.private.secret_patterns import SecretPatterns, has_long_word

NAMES: dict[PrivateKind, str] = {  # the surest first: where two overlap, it says what the text is
    "secret": "a key, a token or a password",
    "card": "a payment card's number",
    "iban": "an account number (IBAN)",
    "national_id": "a national id",
    "email": "an e-mail address",
    "ip_address": "an IP address",
    "phone": "a phone number",
}
SUREST = list(NAMES)
SHORT = 64  # characters of a text that may come again and again: a label, a slice, a group
REMEMBERED = 4096
ROW_NUMBER = re.compile("[A-Za-z]{1,8}[-_]?[0-9]{1,8}")  # ticket-0000123: too short for a key, and no phone behind a -
Find = tuple[int, int, PrivateKind]


class Screen:
    """Looks through the texts of one row after the other; `finds` says kind -> action -> rows."""

    def __init__(self, policy: Privacy) -> None:
        self.finds: dict[str, dict[str, int]] = {}
        self._policy = policy
        self._secrets, self._personal = SecretPatterns(), PersonalData()
        self._counted: set[str] = set()
        self._finds_in_short = lru_cache(REMEMBERED)(self._finds)

    def next_row(self) -> None:
        """What is found from now on belongs to another row."""
        self._counted.clear()

    def clean(self, text: str, field: str) -> str:
        """The text, with each find that is to be masked replaced by its kind: [EMAIL].

        Raises Defect where a find is to be blocked or quarantined; it names the kind and quotes nothing.
        """
        if ROW_NUMBER.fullmatch(text):
            return text
        finds = self._finds_in_short(text) if len(text) <= SHORT else self._finds(text)
        if not finds:
            return text
        kinds = dict.fromkeys(kind for _, _, kind in finds)
        for kind in kinds:
            self._count(kind)
        for kind in kinds:
            if self._policy.action(kind) in ("block", "quarantine"):
                raise Defect(Code.SECRET if kind == "secret" else Code.PERSONAL_DATA, _remedy(kind), field)
        return "".join(self._masked(text, finds))

    def _finds(self, text: str) -> Sequence[Find]:
        """What stands where, in the order of the text. Bytes are counted first: most texts need no search."""
        text = plain(text)
        raw = text.encode("utf-8", "replace")
        digits, is_wordy = figures(raw), has_long_word(raw)
        found: list[Find] = []
        if is_wordy:
            found += [(start, end, "secret") for start, end in self._secrets.in_long_words(text, raw)]
        if is_wordy or digits:
            found += [(start, end, "secret") for start, end in self._secrets.assigned(text)]
        if b"@" in raw:
            found += [(*match.span(), "email") for match in EMAIL.finditer(text)]
        if digits >= FEWEST_FIGURES:
            found += [(start, end, kind) for kind, (start, end) in self._personal.numbers(text, raw)]
        return _apart(found) if found else ()

    def _count(self, kind: PrivateKind) -> None:
        if kind not in self._counted:
            self._counted.add(kind)
            actions, action = self.finds.setdefault(kind, {}), self._policy.action(kind)
            actions[action] = actions.get(action, 0) + 1

    def _masked(self, text: str, finds: Sequence[Find]) -> Iterator[str]:
        at = 0
        for start, end, kind in finds:
            if self._policy.action(kind) == "mask":
                yield f"{text[at:start]}[{kind.upper()}]"
                at = end
        yield text[at:]


def _apart(found: list[Find]) -> list[Find]:
    """Finds that overlap become one, of the surest kind of theirs, so that no rest of either stays behind."""
    apart: list[Find] = []
    for find in sorted(found):
        if apart and find[0] < apart[-1][1]:
            start, end, kind = apart.pop()
            find = start, max(end, find[1]), min(kind, find[2], key=SUREST.index)  # noqa: PLW2901 - it grew
        apart.append(find)
    return apart


def _remedy(kind: PrivateKind) -> str:
    return (
        f"It holds {NAMES[kind]}: take it out at the source, or say what to do in `curation.privacy.rules.{kind}`: "
        "mask, quarantine or allow."
    )
