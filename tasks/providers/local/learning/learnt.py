"""What a tuned model has learnt, and the folder that holds it: model.json (texts) and arrays.npz (numbers)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from tasks.providers.local.learning.classifier import Classifier, Head
from tasks.providers.local.learning.copier import Copier, CopyHead
from tasks.providers.local.learning.features import Capacity, Floats, Vectoriser, bag, capacity_of
from tasks.providers.local.learning.fields import Field
from tasks.providers.local.learning.passages import Passage, Piece
from tasks.providers.local.learning.reply import Ranked
from tasks.providers.local.learning.softmax import softmax
from tasks.providers.local.learning.syllabus import ANSWER, Kind

_FORMAT = 1
_GROUPS, _PASSAGES = 3, 4  # the most probable groups, and of each the nearest passages
_SHARPNESS = 20.0  # weight of the cosine between inputs within a group


@dataclass
class Learnt:
    """The parts of a tuned model. `passages` and their `groups` only where answers are texts."""

    base: str
    kind: Kind
    fields: list[Field]
    classifier: Classifier
    copier: Copier
    passages: list[Passage]
    groups: list[int]

    @property
    def capacity(self) -> Capacity:
        """Of the base model that it was trained from."""
        return capacity_of(self.base)

    def decisions(self, question: str) -> dict[str, dict[str, float]]:
        """For each decision, key of the value to probability."""
        return self.classifier.probabilities(bag(question, self.capacity))

    def nearest_passages(self, question: str) -> list[tuple[Passage, float]]:
        """The passages of the most probable groups whose inputs are nearest, with their probabilities."""
        vector = self.classifier.vectoriser.matrix([bag(question, self.capacity)])
        close = (self._inputs @ vector.T).toarray()[:, 0]
        groups = sorted(self.decisions(question)[ANSWER].items(), key=lambda one: -one[1])[:_GROUPS]
        return [found for group, chance in groups for found in self._of_group(int(group), chance, close)]

    def save(self, folder: Path) -> None:
        """Write the arrays, then model.json: a folder with that file is a whole model."""
        arrays = {
            "rarity": self.classifier.vectoriser.rarity,
            "weights": self.classifier.weights,
            "bias": self.classifier.bias,
            "copy_rarity": self.copier.vectoriser.rarity,
            "copy_weights": self.copier.weights,
            "copy_bias": self.copier.bias,
        }
        with (folder / "arrays.npz").open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        unfinished = folder / "model.json.part"
        unfinished.write_text(json.dumps(self._document(), ensure_ascii=False), encoding="utf-8")
        unfinished.replace(folder / "model.json")

    def _document(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "base": self.base,
            "kind": self.kind,
            "fields": [asdict(field) for field in self.fields],
            "features": self.classifier.vectoriser.features,
            "heads": [asdict(head) for head in self.classifier.heads.values()],
            "copy_features": self.copier.vectoriser.features,
            "copy_heads": [asdict(head) for head in self.copier.heads],
            "passages": [asdict(passage) for passage in self.passages],
            "groups": self.groups,
        }

    @cached_property
    def _inputs(self) -> sp.csr_matrix:
        return self.classifier.vectoriser.matrix([bag(passage.text, self.capacity) for passage in self.passages])

    def _of_group(self, group: int, chance: float, close: Floats) -> Ranked[Passage]:
        members = np.flatnonzero(np.array(self.groups) == group)
        best = members[np.argsort(-close[members], kind="stable")][:_PASSAGES]
        shares = softmax(_SHARPNESS * close[best]).tolist()
        return [(self.passages[at], chance * share) for at, share in zip(best, shares, strict=True)]


def load(folder: Path) -> Learnt:
    """The model that a trainer left in a folder."""
    document = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    with np.load(folder / "arrays.npz", allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return Learnt(
        base=document["base"],
        kind=document["kind"],
        fields=[Field(tuple(one["path"]), one["schema"], one["required"]) for one in document["fields"]],
        classifier=_classifier(document, arrays),
        copier=_copier(document, arrays),
        passages=[_passage(one) for one in document["passages"]],
        groups=document["groups"],
    )


def _classifier(document: Mapping[str, Any], arrays: Mapping[str, Floats]) -> Classifier:
    heads = [Head(one["name"], tuple(one["values"]), one["start"]) for one in document["heads"]]
    vectoriser = Vectoriser(document["features"], arrays["rarity"])
    return Classifier(vectoriser, heads, arrays["weights"], arrays["bias"])


def _copier(document: Mapping[str, Any], arrays: Mapping[str, Floats]) -> Copier:
    vectoriser = Vectoriser(document["copy_features"], arrays["copy_rarity"])
    copier = Copier(vectoriser, [CopyHead(**one) for one in document["copy_heads"]], capacity_of(document["base"]))
    copier.weights, copier.bias = arrays["copy_weights"], arrays["copy_bias"]
    return copier


def _passage(document: Mapping[str, Any]) -> Passage:
    pieces: Sequence[Mapping[str, str]] = document["pieces"]
    return Passage(document["text"], tuple(Piece(**piece) for piece in pieces))
