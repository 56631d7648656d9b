"""When a training reports, validates and saves its state, and what it writes down."""

import json
import time
from math import ceil
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from tasks.providers.local.lora.checkpoints import Checkpoints

State = Any  # TrainerState and TrainerControl of transformers, which is not typed
Control = Any
REPORTS = 200  # lines of metrics, or one a step where there are fewer steps
VALIDATIONS = 10  # of these lines carry the loss on the validation file
_NAMES = {
    "loss": "train_loss",
    "mean_token_accuracy": "train_mean_token_accuracy",
    "rewards/accuracies": "train_reward_accuracy",
    "eval_loss": "valid_loss",
    "eval_mean_token_accuracy": "valid_mean_token_accuracy",
    "eval_rewards/accuracies": "valid_reward_accuracy",
}


class Diary(TrainerCallback):  # type: ignore[misc]
    """One JSON line a reported step. A line is written before the checkpoint that takes it for granted."""

    def __init__(self, metrics: Path, checkpoints: Checkpoints, checkpoint_s: float, validate: bool) -> None:
        self._metrics, self._checkpoints = metrics, checkpoints
        self._checkpoint_s, self._validate = checkpoint_s, validate
        self._saved_at = time.monotonic()
        self._line: dict[str, Any] = {}

    def on_step_end(self, args: object, state: State, control: Control, **_: object) -> None:
        """Decide what follows this step."""
        left = state.max_steps - state.global_step
        control.should_log = left % ceil(state.max_steps / REPORTS) == 0
        control.should_evaluate = self._validate and left % ceil(state.max_steps / VALIDATIONS) == 0
        control.should_save = left > 0 and time.monotonic() - self._saved_at >= self._checkpoint_s

    def on_log(self, args: object, state: State, control: Control, logs: dict[str, float], **_: object) -> None:
        """Take down what was measured; the validation follows its step."""
        measured = {_NAMES[name]: round(float(value), 5) for name, value in logs.items() if name in _NAMES}
        if "train_loss" in measured:
            self._write()
            self._line = {"step": state.global_step, "total_steps": state.max_steps}
        if self._line:
            self._line |= measured

    def on_save(self, args: object, state: State, control: Control, **_: object) -> None:
        """The checkpoint is complete."""
        self._write()
        self._checkpoints.mark_whole(state.global_step)
        self._saved_at = time.monotonic()

    def on_step_begin(self, args: object, state: State, control: Control, **_: object) -> None:
        """Whatever belonged to the last step is there now."""
        self._write()

    def on_train_end(self, args: object, state: State, control: Control, **_: object) -> None:
        """The last line."""
        self._write()

    def _write(self) -> None:
        if self._line:
            with self._metrics.open("ab", buffering=0) as file:
                file.write(json.dumps(self._line).encode() + b"\n")
            self._line = {}
