"""Trains a tuned model from chat records, as a process of its own: `python -m tasks.providers.local.trainer`.

It appends a JSON line a step to metrics.jsonl in the model's folder; model.json, written last, says that it is done.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from tasks.providers.local.graders import grader_of
from tasks.providers.local.learning.classifier import Classifier, ClassifierTraining, heads_of
from tasks.providers.local.learning.copier import Copier
from tasks.providers.local.learning.copier_training import CopierTraining, targets
from tasks.providers.local.learning.features import Vectoriser, bag, capacity_of
from tasks.providers.local.learning.learnt import Learnt
from tasks.providers.local.learning.positions import position_rows
from tasks.providers.local.learning.reader import Example
from tasks.providers.local.learning.softmax import RATE, Part, Progress, in_parts
from tasks.providers.local.learning.syllabus import Objects, Syllabus, Texts, syllabus_of
from tasks.providers.local.learning.teaching import Teaching
from tasks.providers.local.teaching_file import Lines, better_answers, graded_answers, read_lines, right_answers

_REPORTS = 40  # lines of metrics, or one a step where there are fewer steps
_VALIDATIONS = 10  # of these lines carry the loss on the validation file
_STEPS_AN_EPOCH = 20
_MOST_HELD_OUT = 500  # lines
_LARGE = 2_000  # examples from which a feature must occur twice to count


@dataclass(frozen=True)
class Pace:
    """How long and how fast to learn. `rate` multiplies the step size."""

    epochs: int
    batch_size: int | None
    rate: float
    seed: int
    eval_interval: int | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the command line says; 0 once the model is written, 2 where there is nothing to learn."""
    options = _options(arguments)
    teaching = _reader(options)
    learn = teaching(read_lines(options.training))
    held_out = None if options.validation == "-" else teaching(read_lines(Path(options.validation), _MOST_HELD_OUT))
    model, parts = prepare(learn, held_out, options.base) if learn.examples else (None, [])
    if model is None or not parts:
        print("The training file has no answer of weight 1, and none to choose: nothing to learn.", file=sys.stderr)
        return 2
    options.model.mkdir(parents=True, exist_ok=True)
    reward = {"train_reward_mean", "valid_reward_mean"} if options.method == "reinforcement" else set()
    with (options.model / "metrics.jsonl").open("ab", buffering=0) as metrics:
        for line in train(parts, len(learn.examples), _pace(options), validate=bool(held_out)):
            shown = {name: value for name, value in line.items() if "reward" not in name or name in reward}
            metrics.write(orjson.dumps(shown) + b"\n")
    model.save(options.model)
    return 0


def prepare(learn: Teaching, held_out: Teaching | None, base: str) -> tuple[Learnt, list[Part]]:
    """An untrained model and the parts of it that learn."""
    syllabus = syllabus_of(learn.examples, capacity_of(base))
    classifier, deciding = _classifier(syllabus, learn, held_out, base)
    copier, copying = _copier(syllabus, learn.examples, held_out.examples if held_out else [], base)
    fields = syllabus.fields if isinstance(syllabus, Objects) else []
    passages, groups = (syllabus.passages, syllabus.groups) if isinstance(syllabus, Texts) else ([], [])
    return Learnt(base, syllabus.kind, fields, classifier, copier, passages, groups), [*deciding, *copying]


def train(parts: Sequence[Part], examples: int, pace: Pace, validate: bool) -> Iterator[dict[str, float | None]]:
    """Learn in batches; every now and then, what was lost and right since the last time."""
    batches = list(_batches(examples, pace))
    report, validated = _when(len(batches), pace.eval_interval)
    since = Progress()
    for step, batch in enumerate(batches):
        rate = RATE * pace.rate * (1 - step / len(batches))
        since = sum((part.step(rows, rate) for rows in in_parts(batch) for part in parts), since)
        if step in report:
            look = validate and step in validated
            held_out = sum((part.evaluate() for part in parts), Progress()) if look else None
            yield _line(step + 1, len(batches), since, held_out)
            since = Progress()


def _when(steps: int, interval: int | None) -> tuple[set[int], set[int]]:
    """The steps that are told of, and those at which the held-out examples are looked at."""
    report = set(np.linspace(0, steps - 1, min(_REPORTS, steps), dtype=int)[1:].tolist()) | {0, steps - 1}
    if interval is None:
        return report, set(sorted(report)[:: -max(1, len(report) // _VALIDATIONS)])
    validated = {*range(interval - 1, steps, interval), steps - 1}
    return report | validated, validated


def _line(step: int, steps: int, learnt: Progress, held_out: Progress | None) -> dict[str, float | None]:
    return {
        "step": step,
        "total_steps": steps,
        "train_loss": round(learnt.mean_loss, 5),
        "train_mean_token_accuracy": round(learnt.accuracy, 5),
        "train_reward_mean": round(1 - learnt.mean_loss, 5),
        "valid_loss": round(held_out.mean_loss, 5) if held_out else None,
        "valid_mean_token_accuracy": round(held_out.accuracy, 5) if held_out else None,
        "valid_reward_mean": round(1 - held_out.mean_loss, 5) if held_out else None,
    }


def _classifier(
    syllabus: Syllabus, learn: Teaching, held_out: Teaching | None, base: str
) -> tuple[Classifier, list[Part]]:
    bags = [bag(example.text, capacity_of(base)) for example in learn.examples]
    vectoriser = Vectoriser.fit(bags, minimum=2 if len(bags) >= _LARGE else 1)
    decisions, further = syllabus.decisions(learn.examples), learn.further(syllabus)
    heads = heads_of({name: [*values, *further.get(name, ())] for name, values in decisions.items()})
    model = Classifier.untrained(vectoriser, heads)
    right = {head.name: learn.objective(syllabus, head) for head in heads}
    training = ClassifierTraining(model, vectoriser.matrix(bags), right)
    if held_out:
        unseen = vectoriser.matrix([bag(example.text, capacity_of(base)) for example in held_out.examples])
        training.hold_out(unseen, {head.name: held_out.objective(syllabus, head) for head in heads})
    return model, [training] if any(head.values for head in heads) else []


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


def _pace(options: argparse.Namespace) -> Pace:
    interval = options.eval_interval
    return Pace(options.epochs, options.batch_size, options.learning_rate_multiplier, options.seed, interval)


def _reader(options: argparse.Namespace) -> Callable[[Lines], Teaching]:
    """How a file of the method is read."""
    if options.method == "dpo":
        return partial(better_answers, options.beta)
    if options.method == "reinforcement":
        return partial(graded_answers, grader_of(options.grader))
    return right_answers


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a tuned model of the embedded provider from chat records.")
    parser.add_argument("--training", type=Path, required=True, help="chat records, one JSON object a line")
    parser.add_argument("--validation", default="-", help="more of them, never learnt; - for none")
    parser.add_argument("--model", type=Path, required=True, help="folder to write to")
    parser.add_argument("--base", default="local-base-large", help="base model, which decides what is seen of a text")
    parser.add_argument("--method", choices=("supervised", "dpo", "reinforcement"), default="supervised")
    parser.add_argument("--beta", type=float, default=0.1, help="dpo: how dear it is to move away from the base model")
    parser.add_argument("--grader", help="reinforcement: the grader, as JSON")
    parser.add_argument("--eval-interval", type=int, help="steps between two looks at the validation file")
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--batch-size", type=int, help=f"default: {_STEPS_AN_EPOCH} steps an epoch")
    parser.add_argument("--learning-rate-multiplier", type=float, default=1.0)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
