"""What a child process is told of its model and its machine. It needs the standard library only."""

import json
from dataclasses import dataclass
from pathlib import Path


class UnusableError(Exception):
    """Why nothing can be trained or answered, for the person who can mend it. Quotes no row."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


@dataclass(frozen=True)
class Recipe:
    """A base model, its adapters, its machine; the fields are those of the settings' `lora` section."""

    name: str
    source: str
    context_tokens: int
    template_options: dict[str, bool | int | str]
    rank: int
    alpha: int
    target_modules: str | list[str]
    modules_to_save: list[str]
    learning_rate: float
    dpo_learning_rate: float
    device: str
    quantise: str
    threads: int
    rows_at_once: int
    answers_at_once: int
    answer_tokens: int
    checkpoint_s: float
    idle_s: float
    allow_download: bool

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """As the server writes it. TypeError where a field is missing or unknown."""
        return cls(**json.loads(text))

    @property
    def place(self) -> str:
        """The folder, or the name on the hub. Raises UnusableError for a folder that is not there."""
        path = Path(self.source).expanduser()
        if path.is_absolute() and not (path / "config.json").is_file():
            message = f"lora.models.{self.name}.source: {path} holds no model (no config.json). Correct the settings."
            raise UnusableError("model_not_available", message)
        return str(path) if path.is_absolute() else self.source

    @property
    def shape(self) -> tuple[object, ...]:
        """What of it decides what is learnt."""
        adapter = (self.rank, self.alpha, self.target_modules, self.modules_to_save, self.quantise)
        return (
            self.source,
            self.template_options,
            *adapter,
            self.learning_rate,
            self.dpo_learning_rate,
            self.rows_at_once,
        )

    def micro_batch(self, batch: int) -> int:
        """Rows in memory at once: the largest divisor of the batch that fits, so that each step sees all of it."""
        return max(size for size in range(1, self.rows_at_once + 1) if batch % size == 0)
