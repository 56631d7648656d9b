"""What is bought at Together, in its own words (docs.together.ai/reference/post-fine-tunes, read 2026-11-22)."""

from typing import Any

from tasks.errors import ConfigurationError
from tasks.providers.protocol import JobRequest
from tasks.providers.together_records import mark_of

MAX_SUFFIX = 40 - len(f"-{mark_of('0' * 16)}")  # of Together's 40 characters, what the mark of a purchase leaves
METHODS = {"supervised": "sft", "dpo": "dpo"}
OF_LORA = ("lora_r", "lora_alpha", "lora_dropout", "lora_trainable_modules")
OF_SFT = ("train_on_inputs",)
OF_DPO = ("dpo_normalize_logratios_by_length", "rpo_alpha")
OF_JOB = (
    "learning_rate",
    "warmup_ratio",
    "max_grad_norm",
    "weight_decay",
    "max_seq_length",
    "packing",
    "gradient_accumulation_steps",
    "n_evals",
    "n_checkpoints",
    "early_stopping_enabled",
    "early_stopping_patience",
    "early_stopping_min_delta",
    "early_stopping_warmup_evals",
)
HYPERPARAMETERS = frozenset((*OF_JOB, *OF_LORA, *OF_SFT, *OF_DPO, "lora"))
PRICED = ("model", "training_file", "validation_file", "n_epochs", "n_evals", "training_method", "training_type")


def job_body(request: JobRequest) -> dict[str, Any]:
    """The request's body; what is None is left to Together. Raises ConfigurationError naming the field."""
    given = _checked(request)
    body = {
        "model": request.base_model,
        "training_file": request.training_file,
        "validation_file": request.validation_file,
        "n_epochs": request.n_epochs,
        "batch_size": request.batch_size,
        "random_seed": request.seed,
        "suffix": _suffix(request),
        "training_method": _method(request),
        "training_type": _type(given),
        "n_evals": 1 if request.validation_file else None,  # Together's 0 would never look at the validation file
        **{name: given[name] for name in OF_JOB if name in given},
    }
    return {name: value for name, value in body.items() if value is not None}


def price_body(request: JobRequest) -> dict[str, Any]:
    """The part of the job's body that its price depends on."""
    return {name: value for name, value in job_body(request).items() if name in PRICED}


def _checked(request: JobRequest) -> dict[str, Any]:
    given = dict(request.hyperparameters)
    if request.learning_rate_multiplier is not None:
        raise ConfigurationError(
            "fine_tune.learning_rate_multiplier",
            "is not known to Together, which takes the learning rate itself",
            "Remove it and set fine_tune.hyperparameters.learning_rate (Together's own is 0.00001).",
        )
    if request.method not in METHODS:
        remedy = f"Set one of {', '.join(METHODS)}, or another provider."
        raise ConfigurationError("fine_tune.method", f"{request.method} is not offered by Together", remedy)
    if not given.get("lora", True) and any(name in given for name in OF_LORA):
        remedy = "Remove `lora: false`, or the lora_* values."
        raise ConfigurationError("fine_tune.hyperparameters.lora", "is off, and lora_* values are given", remedy)
    if not given.keys() & {"lora_r"} and any(name in given for name in OF_LORA[1:]):
        remedy = "Set the adapter's rank, such as 8: Together knows no lora_* value without it."
        raise ConfigurationError("fine_tune.hyperparameters.lora_r", "is needed", remedy)
    return given


def _suffix(request: JobRequest) -> str:
    """The user's suffix, then the purchase's mark, by which the job is recognised."""
    mark = mark_of(request.metadata["intent"])
    return f"{request.suffix}-{mark}" if request.suffix else mark


def _method(request: JobRequest) -> dict[str, Any]:
    given = request.hyperparameters
    if request.method == "supervised":
        return {"method": "sft", "train_on_inputs": given.get("train_on_inputs", "auto")}
    beta = {} if request.beta is None else {"dpo_beta": request.beta}
    return {"method": "dpo", **beta, **{name: given[name] for name in OF_DPO if name in given}}


def _type(given: dict[str, Any]) -> dict[str, Any] | None:
    """None leaves it to Together, which trains an adapter of the base model's own default rank."""
    if not given.get("lora", True):
        return {"type": "Full"}
    if "lora_r" not in given:
        return None
    alpha = given.get("lora_alpha", 2 * given["lora_r"])  # as Together's library does
    return {"type": "Lora", **{name: given[name] for name in OF_LORA if name in given}, "lora_alpha": alpha}
