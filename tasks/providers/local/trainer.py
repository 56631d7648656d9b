"""Trains a tuned model from chat records, as a process of its own: `python -m tasks.providers.local.trainer`.

It appends a JSON line a step to metrics.jsonl in the model's folder; model.json, written last, says that it is done.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from tasks.providers.local.learning.classifier import Classifier, ClassifierTraining, heads_of
from tasks.providers.local.learning.copier import Copier
from tasks.providers.local.learning.copier_training import CopierTraining, targets
from tasks.providers.local.learning.features import Vectoriser, bag, capacity_of
from tasks.providers.local.learning.learnt import Learnt
from tasks.providers.local.learning.positions import position_rows
from tasks.providers.local.learning.reader import Example, examples
from tasks.providers.local.learning.softmax import RATE, Part, Progress, in_parts
from tasks.providers.local.learning.syllabus import Objects, Syllabus, Texts, syllabus_of

_REPORTS = 40  # lines of metrics, or one a step where there are fewer steps
_VALIDATIONS = 10  # of these lines carry the loss on the validation file
_STEPS_AN_EPOCH = 20
_LARGE = 2_000  # examples from which a feature must occur twice to count
_MOST_HELD_OUT = 500


@dataclass(frozen=True)
class Pace:
    """How long and how fast to learn. `rate` multiplies the step size."""

    epochs: int
    batch_size: int | None
    rate: float
    seed: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the command line says; 0 once the model is written, 2 where there is nothing to learn."""
    options = _options(arguments)
    learn = _read(options.training)
    if not learn:
        print("The training file has no assistant message of weight 1: nothing to learn.", file=sys.stderr)
        return 2
    held_out = [] if options.validation == "-" else _read(options.validation)
    pace = Pace(options.epochs, options.batch_size, options.learning_rate_multiplier, options.seed)
    model, parts = prepare(learn, held_out, options.base)
    options.model.mkdir(parents=True, exist_ok=True)
    with (options.model / "metrics.jsonl").open("ab", buffering=0) as metrics:
        for line in train(parts, len(learn), pace, validate=bool(held_out)):
            metrics.write(orjson.dumps(line) + b"\n")
    model.save(options.model)
    return 0


def prepare(learn: Sequence[Example], held_out: Sequence[Example], base: str) -> tuple[Learnt, list[Part]]:
    """An untrained model and the parts of it that learn."""
    syllabus = syllabus_of(learn, capacity_of(base))
    held_out = held_out[:_MOST_HELD_OUT]
    classifier, deciding = _classifier(syllabus, learn, held_out, base)
    copier, copying = _copier(syllabus, learn, held_out, base)
    fields = syllabus.fields if isinstance(syllabus, Objects) else []
    passages, groups = (syllabus.passages, syllabus.groups) if isinstance(syllabus, Texts) else ([], [])
    return Learnt(base, syllabus.kind, fields, classifier, copier, passages, groups), [*deciding, *copying]


def train(parts: Sequence[Part], examples: int, pace: Pace, validate: bool) -> Iterator[dict[str, float | None]]:
    """Learn in batches; every now and then, what was lost and right since the last time."""
    batches = list(_batches(examples, pace))
    report = set(np.linspace(0, len(batches) - 1, min(_REPORTS, len(batches)), dtype=int)[1:]) | {0, len(batches) - 1}
    validated = set(sorted(report)[:: -max(1, len(report) // _VALIDATIONS)]) if validate else set()
    since = Progress()
    for step, batch in enumerate(batches):
        rate = RATE * pace.rate * (1 - step / len(batches))
        since = sum((part.step(rows, rate) for rows in in_parts(batch) for part in parts), since)
        if step in report:
            held_out = sum((part.evaluate() for part in parts), Progress()) if step in validated else None
            yield _line(step + 1, len(batches), since, held_out)
            since = Progress()


def _line(step: int, steps: int, learnt: Progress, held_out: Progress | None) -> dict[str, float | None]:
    return {
        "step": step,
        "total_steps": steps,
        "train_loss": round(learnt.mean_loss, 5),
        "train_mean_token_accuracy": round(learnt.accuracy, 5),
        "valid_loss": round(held_out.mean_loss, 5) if held_out else None,
        "valid_mean_token_accuracy": round(held_out.accuracy, 5) if held_out else None,
    }


def _classifier(
    syllabus: Syllabus, learn: Sequence[Example], held_out: Sequence[Example], base: str
) -> tuple[Classifier, list[Part]]:
    bags = [bag(example.text, capacity_of(base)) for example in learn]
    vectoriser = Vectoriser.fit(bags, minimum=2 if len(learn) >= _LARGE else 1)
    decisions = syllabus.decisions(learn)
    model = Classifier.untrained(vectoriser, heads_of(decisions))
    training = ClassifierTraining(model, vectoriser.matrix(bags), decisions)
    if held_out:
        unseen = vectoriser.matrix([bag(example.text, capacity_of(base)) for example in held_out])
        training.hold_out(unseen, syllabus.decisions(held_out))
    return model, [training] if decisions else []


def _copier(
    syllabus: Syllabus, learn: Sequence[Example], held_out: Sequence[Example], base: str
) -> tuple[Copier, list[Part]]:
    capacity = capacity_of(base)
    texts = [example.text for example in learn] if syllabus.heads else []
    vectoriser = Vectoriser.fit(position_rows(texts, capacity), minimum=2, by_rarity=False)
    model = Copier(vectoriser, syllabus.heads, capacity)
    if not syllabus.heads:
        return model, []
    learnt = targets(model, texts, syllabus.copies(learn))
    unseen = targets(model, [one.text for one in held_out], syllabus.copies(held_out)) if held_out else None
    return model, [CopierTraining(model, learnt, unseen)]


def _batches(examples: int, pace: Pace) -> Iterator[NDArray[np.intp]]:
    size = pace.batch_size or -(-examples // _STEPS_AN_EPOCH)
    generator = np.random.default_rng(pace.seed)
    for _ in range(pace.epochs):
        order = generator.permutation(examples)
        yield from (order[start : start + size] for start in range(0, examples, size))


def _read(path: Path | str) -> list[Example]:
    lines = Path(path).read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
    return [example for line in lines if line.strip() for example in examples(orjson.loads(line)["messages"])]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a tuned model of the embedded provider from chat records.")
    parser.add_argument("--training", type=Path, required=True, help="chat records, one JSON object a line")
    parser.add_argument("--validation", default="-", help="more of them, never learnt; - for none")
    parser.add_argument("--model", type=Path, required=True, help="folder to write to")
    parser.add_argument("--base", default="local-base-large", help="base model, which decides what is seen of a text")
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--batch-size", type=int, help=f"default: {_STEPS_AN_EPOCH} steps an epoch")
    parser.add_argument("--learning-rate-multiplier", type=float, default=1.0)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
