"""Base models into memory: on which device, in how many bits, and what to do where one is not there."""

import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tasks.providers.local.lora.recipe import Recipe, UnusableError

Tokenizer = Any  # of transformers
Network = Any  # a model of transformers or peft
Dtype = Any  # of torch; none of them is loaded where this is only imported


@dataclass(frozen=True)
class Machine:
    """Where a model runs."""

    device: str
    dtype: Dtype
    four_bits: bool


def settle(recipe: Recipe) -> None:
    """Fix what libraries read when they are loaded: no network, no telemetry, one GPU, so many threads."""
    offline = "0" if recipe.allow_download else "1"
    threads = str(recipe.threads)
    os.environ |= {"HF_HUB_OFFLINE": offline, "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
    os.environ |= {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")  # several would be shared out row by row, which is slower
    # some of their warnings quote a row
    os.environ |= {"TRANSFORMERS_VERBOSITY": "error", "DATASETS_VERBOSITY": "error", "TQDM_DISABLE": "1"}
    logging.getLogger("trl").setLevel(logging.ERROR)
    warnings.simplefilter("ignore", FutureWarning)


def leave_with_parent() -> None:
    """End this process when the server behind its standard input is gone: nobody would stop it otherwise."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def explained(recipe: Recipe) -> Iterator[None]:
    """A model that is not there, a library that is missing, a memory that is too small: as UnusableError."""
    try:
        _ = recipe.place
        yield
    except ModuleNotFoundError as missing:
        remedy = f'Run `{sys.executable} -m pip install "tunegate[lora]"`, or let lora.python name one that has it.'
        message = f"Your own models need {missing.name}, which is not installed. {remedy}"
        raise UnusableError("trainer_unavailable", message) from None
    except RuntimeError as problem:
        if type(problem).__name__ != "OutOfMemoryError":
            raise
        remedy = "Lower lora.rows_at_once or lora.answers_at_once, or choose a smaller model."
        raise UnusableError("out_of_memory", f"The device's memory is too small for {recipe.name}. {remedy}") from None


@contextmanager
def _found(recipe: Recipe) -> Iterator[None]:
    """What transformers raises for any model that it cannot load, as UnusableError."""
    try:
        yield
    except (OSError, ValueError):
        hint = "" if recipe.allow_download else " Fetch it with `hf download` first, or set lora.allow_download: true."
        message = f"lora.models.{recipe.name}.source: no safetensors model can be loaded from {recipe.source}.{hint}"
        raise UnusableError("model_not_available", message) from None


def machine_of(recipe: Recipe) -> Machine:
    """CUDA where it is present and wanted. Raises UnusableError where it is demanded and absent."""
    import torch

    torch.set_num_threads(recipe.threads)
    cuda = torch.cuda.is_available()
    if recipe.device == "cuda" and not cuda:
        message = "lora.device is cuda, but torch finds no CUDA device. Set it to auto, or mend the driver."
        raise UnusableError("trainer_unavailable", message)
    device = "cuda" if cuda and recipe.device != "cpu" else "cpu"
    small = recipe.quantise == "always" or (recipe.quantise == "auto" and device == "cuda")
    half = torch.cuda.is_bf16_supported() if device == "cuda" else small
    return Machine(device, torch.bfloat16 if half else torch.float32, four_bits=small)


def load_tokenizer(recipe: Recipe) -> Tokenizer:
    """The tokenizer. Raises UnusableError where it has no chat template."""
    from transformers import AutoTokenizer

    with _found(recipe):
        tokenizer = AutoTokenizer.from_pretrained(recipe.place, trust_remote_code=False)
    if not tokenizer.chat_template:
        message = f"lora.models.{recipe.name}: {recipe.source} has no chat template. Choose its instruction-tuned form."
        raise UnusableError("model_not_available", message)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    return tokenizer


def load_base(recipe: Recipe, machine: Machine) -> Network:
    """The base model, from safetensors only: no pickle is opened and none of its own code is run."""
    from transformers import AutoModelForCausalLM

    options = four_bits(machine.dtype) if machine.four_bits else {}
    placed = {"device_map": {"": 0}} if machine.device == "cuda" else {}
    safe = {"use_safetensors": True, "trust_remote_code": False}
    with _found(recipe):
        return AutoModelForCausalLM.from_pretrained(recipe.place, dtype=machine.dtype, **safe, **options, **placed)


def four_bits(dtype: Dtype) -> dict[str, Any]:
    """The base model's numbers as QLoRA stores them (Dettmers et al. 2023: NF4, quantised twice)."""
    from transformers import BitsAndBytesConfig

    return {
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    }
