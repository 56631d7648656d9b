"""Trains an adapter on a base model of one's own, as a process: `python -m tasks.providers.local.lora.trainer`.

It appends a JSON line a step to metrics.jsonl in the model's folder; model.json, written last, says that it is done,
failure.json why it cannot be. Started again after a kill it goes on from its last checkpoint.
"""

import argparse
import json
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.providers.local.lora import loading, rows
from tasks.providers.local.lora.checkpoints import Checkpoints
from tasks.providers.local.lora.loading import Machine, Tokenizer
from tasks.providers.local.lora.recipe import Recipe, UnusableError

Trainer = Any  # of trl
Dataset = Any  # of datasets
_MOST_HELD_OUT = 500
_ANSWERS = ("completion", "chosen", "rejected")


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the command line says; 0 once the model is written, 2 where that cannot be."""
    options = _options(arguments)
    options.model.mkdir(parents=True, exist_ok=True)
    loading.leave_with_parent()
    loading.settle(options.recipe)
    try:
        with loading.explained(options.recipe):
            _train_alone(options)
    except UnusableError as problem:
        failure = {"code": problem.code, "message": problem.message}
        (options.model / "failure.json").write_text(json.dumps(failure), encoding="utf-8")
        return 2
    except Exception as problem:  # its text may quote a row
        print(type(problem).__name__, *traceback.format_tb(problem.__traceback__), file=sys.stderr)
        return 1
    return 0


@dataclass(frozen=True)
class Data:
    """Rows to learn, and rows that only measure."""

    learn: list[rows.Row]
    held_out: list[rows.Row]


def _train_alone(options: argparse.Namespace) -> None:
    """Wait for an earlier attempt that is just being ended: two would write the same checkpoints."""
    from filelock import FileLock

    with FileLock(options.checkpoints.with_name("trainer.lock")):
        _train(options)


def _train(options: argparse.Namespace) -> None:
    machine = loading.machine_of(options.recipe)
    tokenizer = loading.load_tokenizer(options.recipe)
    data = _data(options, tokenizer)
    checkpoints = Checkpoints(options.checkpoints, _purpose(options))
    trainer = _trainer(options, machine, tokenizer, data)
    _follow(trainer, options, checkpoints, validate=bool(data.held_out))
    latest = checkpoints.latest()
    trainer.train(resume_from_checkpoint=str(latest) if latest else None)
    trainer.model.save_pretrained(options.model / "adapter")
    about = {"kind": "lora", "base": options.base, "method": options.method, "four_bits": machine.four_bits}
    aside = options.model / "model.json.new"
    aside.write_text(json.dumps(about), encoding="utf-8")
    aside.replace(options.model / "model.json")
    checkpoints.discard()


def _data(options: argparse.Namespace, tokenizer: Tokenizer) -> Data:
    """The rows. Raises UnusableError for one that the model cannot hold whole: a cut one would teach another answer."""
    read = rows.preferences if options.method == "dpo" else rows.lessons
    files = {"training_file": options.training, "validation_file": options.validation}
    found = {name: read(Path(path)) if path != "-" else [] for name, path in files.items()}
    room, extra = options.recipe.context_tokens, options.recipe.template_options
    for name, some in found.items():
        for number, row in enumerate(some, start=1):
            for answer in (row[part] for part in _ANSWERS if part in row):
                shown = tokenizer.apply_chat_template(row["prompt"] + answer, return_dict=True, **extra)
                if (length := len(shown["input_ids"])) > room:
                    message = f"{name}: example {number} has {length} tokens; {options.base} takes {room}."
                    raise UnusableError("invalid_file_format", message)
    if not found["training_file"]:
        raise UnusableError("invalid_file_format", "The training file has no assistant message of weight 1.")
    return Data(found["training_file"], found["validation_file"][:_MOST_HELD_OUT])


def _trainer(options: argparse.Namespace, machine: Machine, tokenizer: Tokenizer, data: Data) -> Trainer:
    """trl's trainer, with an untrained adapter on the base model."""
    from peft import LoraConfig
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    recipe: Recipe = options.recipe
    preferring = options.method == "dpo"
    beta = {"beta": options.beta} if preferring and options.beta else {}
    return (DPOTrainer if preferring else SFTTrainer)(
        model=loading.load_base(recipe, machine),
        args=(DPOConfig if preferring else SFTConfig)(**_pace(options, machine), **beta),
        train_dataset=_dataset(data.learn, recipe),
        eval_dataset=_dataset(data.held_out, recipe) if data.held_out else None,
        processing_class=tokenizer,
        peft_config=LoraConfig(
            r=recipe.rank,
            lora_alpha=recipe.alpha,
            target_modules=recipe.target_modules,
            modules_to_save=recipe.modules_to_save or None,
            task_type="CAUSAL_LM",
        ),
    )


def _pace(options: argparse.Namespace, machine: Machine) -> dict[str, Any]:
    """Arguments of trl's configurations. What is logged, validated and saved when, the diary decides."""
    recipe: Recipe = options.recipe
    batch = options.batch_size or recipe.rows_at_once
    micro = recipe.micro_batch(batch)
    rate = recipe.dpo_learning_rate if options.method == "dpo" else recipe.learning_rate
    on_gpu = machine.device == "cuda"
    return {
        "output_dir": str(options.checkpoints),
        "num_train_epochs": options.epochs,
        "per_device_train_batch_size": micro,
        "per_device_eval_batch_size": recipe.rows_at_once,
        "gradient_accumulation_steps": batch // micro,
        "learning_rate": rate * options.learning_rate_multiplier,
        "seed": options.seed,
        "max_length": None,  # a row that is too long was refused before; none is cut
        "use_cpu": not on_gpu,
        "bf16": str(machine.dtype) == "torch.bfloat16",
        "gradient_checkpointing": on_gpu,
        "logging_strategy": "no",
        "eval_strategy": "no",
        "save_strategy": "no",
        "save_total_limit": 2,
        "report_to": [],
        "disable_tqdm": True,
    }


def _follow(trainer: Trainer, options: argparse.Namespace, checkpoints: Checkpoints, validate: bool) -> None:
    from transformers import PrinterCallback

    from tasks.providers.local.lora.diary import Diary

    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(
        Diary(options.model / "metrics.jsonl", checkpoints, options.recipe.checkpoint_s, validate=validate)
    )


def _dataset(some: list[rows.Row], recipe: Recipe) -> Dataset:
    import datasets

    extra = {"chat_template_kwargs": recipe.template_options} if recipe.template_options else {}
    return datasets.Dataset.from_list([{**row, **extra} for row in some])


def _purpose(options: argparse.Namespace) -> bytes:
    """What a checkpoint must have been made for to be of use: the rows, the recipe, the pace."""
    files = [Path(path).read_bytes() for path in (options.training, options.validation) if path != "-"]
    pace = [options.method, options.beta, options.epochs, options.batch_size, options.learning_rate_multiplier]
    return b"\0".join([repr((options.recipe.shape, *pace, options.seed)).encode(), *files])


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train an adapter on a base model of your own from chat records.")
    parser.add_argument("--training", type=Path, required=True, help="chat records or preferences, one object a line")
    parser.add_argument("--validation", default="-", help="more of them, never learnt; - for none")
    parser.add_argument("--model", type=Path, required=True, help="folder to write to")
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder to go on from after a kill")
    parser.add_argument("--base", required=True, help="name of the base model")
    parser.add_argument("--recipe", type=Recipe.from_json, required=True, help="its source and the machine, as JSON")
    parser.add_argument("--method", choices=("supervised", "dpo"), default="supervised")
    parser.add_argument("--beta", type=float, help="dpo: how far from the base model")
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--learning-rate-multiplier", type=float, default=1.0)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
