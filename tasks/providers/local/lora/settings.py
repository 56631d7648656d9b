"""What the operator sets to train and answer on a machine of his own: the `lora` section of the settings.

Only names and numbers: nothing here loads torch.
"""

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

_NAME = re.compile(r"^(?!ft$|local-base-)[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")


class Section(BaseModel):
    """A part of the settings; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LoraModel(Section):
    """A base model of one's own, and how an adapter is trained on it."""

    source: str = Field(description="Folder with its safetensors files (absolute, or ~/...), or its name on the hub")
    context_tokens: int = Field(4096, gt=0, description="Longest prompt and answer together")
    template_options: dict[str, bool | int | str] = Field(
        default_factory=dict, description="For its chat template, such as {enable_thinking: false}"
    )
    rank: int = Field(16, ge=1)
    alpha: int = Field(32, ge=1)
    target_modules: str | list[str] = Field("all-linear", description="Layers that get an adapter")
    modules_to_save: list[str] = Field(default_factory=list, description="Layers that are trained whole")
    learning_rate: float = Field(2e-4, gt=0, description="Which a job's learning_rate_multiplier multiplies")
    dpo_learning_rate: float = Field(2e-5, gt=0, description="The same, for method dpo")

    @field_validator("source")
    @classmethod
    def _is_absolute_or_on_the_hub(cls, source: str) -> str:
        if source.startswith(".") or not source.strip():
            raise ValueError("name a folder by its absolute path (or ~/...), or a model of the hub such as org/model")
        return source


class LoraSettings(Section):
    """Base models of one's own, and the machine that they run on."""

    models: dict[str, LoraModel] = Field(default_factory=dict, description="By the name that requests ask for")
    python: str | None = Field(None, description="Interpreter that has tunegate[lora]; None: the server's own")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    quantise: Literal["auto", "always", "never"] = Field(
        "auto", description="Base models in 4 bits: where CUDA is present (auto), on a CPU too (always), or never"
    )
    threads: int = Field(1, ge=1, description="Processor threads of torch")
    rows_at_once: int = Field(8, ge=1, description="Training rows in memory at once; a batch is summed up from them")
    answers_at_once: int = Field(8, ge=1, description="Waiting requests that are answered together")
    answer_tokens: int = Field(512, ge=1, description="Longest answer where the request names no limit")
    checkpoint_s: float = Field(300.0, ge=0, description="A job that is killed has lost at most so many seconds")
    idle_s: float = Field(300.0, gt=0, description="Take a model from memory when nobody has asked it for so long")
    allow_download: bool = Field(False, description="Fetch a model from the hub where it is not in the local cache")

    @field_validator("models")
    @classmethod
    def _names_are_free(cls, models: dict[str, LoraModel]) -> dict[str, LoraModel]:
        for name in models:
            if not _NAME.match(name):
                raise ValueError(f"{name}: letters, digits, '.', '_' and '-'; local-base-... is taken")
        return models

    def recipe(self, name: str) -> dict[str, Any]:
        """What a child process needs to know of the model of that name and of the machine. KeyError: unknown."""
        return {"name": name, **self.models[name].model_dump(), **self.model_dump(exclude={"models", "python"})}
