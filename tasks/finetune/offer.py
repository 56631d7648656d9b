"""Whether a provider can do what is ordered: asked before anything is uploaded, so that nobody pays to find out."""

from collections.abc import Iterator
from pathlib import Path

from data_contracts.money import TrainingFile
from data_contracts.use_case import FineTune
from tasks.errors import ConfigurationError
from tasks.providers.protocol import Provider


def require_offered(fine_tune: FineTune, training: TrainingFile, provider: Provider) -> None:
    """Raises ConfigurationError naming the field, what the provider can do, and what to set instead."""
    for where, problem, remedy in _objections(fine_tune, training, provider):
        raise ConfigurationError(where, problem, remedy)


def _objections(fine_tune: FineTune, training: TrainingFile, provider: Provider) -> Iterator[tuple[str, str, str]]:
    can, name = provider.capabilities, provider.name
    if fine_tune.method not in can.methods:
        offered = ", ".join(sorted(can.methods)) or "no fine-tuning"
        yield "fine_tune.method", f"{name} does not offer {fine_tune.method}", f"It offers {offered}."
    unknown = sorted(set(fine_tune.hyperparameters) - can.hyperparameters)
    if unknown and not can.open_hyperparameters:
        known = ", ".join(sorted(can.hyperparameters)) or "none besides the ones that have fields of their own"
        yield "fine_tune.hyperparameters", f"{name} does not know {', '.join(unknown)}", f"It knows {known}."
    if fine_tune.suffix and len(fine_tune.suffix) > can.max_suffix:
        yield "fine_tune.suffix", f"{name} takes at most {can.max_suffix} characters", "Shorten it."
    if training.examples < can.min_examples:
        problem = f"the train partition holds {training.examples} examples, and {name} asks for {can.min_examples}"
        yield "fine_tune", problem, "Add examples, or set fine_tune.enabled: false."
    size = Path(training.path).stat().st_size
    if size >= can.max_file_bytes:
        problem = (
            f"the training file has {size / 1e6:.0f} MB, and {name} takes less than {can.max_file_bytes / 1e6:.0f} MB"
        )
        yield "fine_tune", problem, "Train on a sample, or shorten the prompt that renders it."
