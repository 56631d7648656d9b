"""Labels that may be meant as one another."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping

from data_contracts.curation import LabelVariant

# Letters of other scripts that Unicode's confusables.txt (UTS #39) maps to a Latin one.
_CYRILLIC = ("АВЕЅІЈКМНОРСТУХҮԌԚԜѴасԁеһіјӏорԛѕѵԝхуү", "ABESIJKMHOPCTYXYGQWVacdehijlopqsvwxyy")
_GREEK = ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαγικνορσυϲϳ", "ABEZHIKMNOPTYXayiKvopouCj")
_OTHER = ("ɑɡɩɪııոսօհ", "agiiiinuoh")
_LOOK_ALIKES = str.maketrans(*("".join(part) for part in zip(_CYRILLIC, _GREEK, _OTHER, strict=True)))
_BETWEEN_LETTERS = re.compile(r"(?<=[^\W\d_])[\W_]+(?=[^\W\d_])")  # not in 1.5, -1, c++
_AROUND = " _.,;:!?'\"()[]{}<>"


def variants(found: Mapping[str, int], declared: Iterable[str] = ()) -> list[LabelVariant]:
    """Labels that differ from another in case, space, punctuation or look-alike letters only.

    found: label -> rows. Of two spellings the declared one is taken to be meant, then the commoner.
    """
    declared = set(declared)
    ranked = sorted({*found, *declared}, key=lambda label: (label not in declared, -found.get(label, 0), label))
    meant: dict[tuple[str, str], str] = {}
    result = []
    for label in ranked:
        folded = [(name, fold(label)) for name, fold in _FOLDS.items()]
        level = next((key for key in folded if key in meant), None)
        if level is None:
            meant.update(dict.fromkeys(folded, label))
        else:
            rows = found.get(label, 0)
            result.append(LabelVariant(label=label, variant_of=meant[level], rows=rows, differs_in=level[0]))
    return result


def _without_space(label: str) -> str:
    visible = "".join(letter for letter in label if unicodedata.category(letter) != "Cf")
    return "".join(visible.casefold().split())


def _without_punctuation(label: str) -> str:
    return _BETWEEN_LETTERS.sub("", _without_space(label)).strip(_AROUND)


def _look(label: str) -> str:
    return _without_punctuation(unicodedata.normalize("NFKC", label).translate(_LOOK_ALIKES))


_FOLDS: dict[str, Callable[[str], str]] = {  # each takes away what the one before does, and more
    "case": str.casefold,
    "space": _without_space,
    "punctuation": _without_punctuation,
    "homoglyph": _look,
}
