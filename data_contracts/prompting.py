"""The prompt candidates and the search for the best: the `prompts` section of a use-case file."""

from typing import Literal

from pydantic import Field

from data_contracts.candidate import FewShot
from data_contracts.strict import Strict


class ModelAt(Strict):
    """A base model at an endpoint: a name under `endpoints`, or empty for `provider`."""

    model: str
    endpoint: str = ""


class Grid(Strict):
    """Variants by combination: each named prompt with every value of each list that is not empty."""

    of: list[str] = Field(default_factory=list, description="Prompts to vary; empty: every variant but `minimal`")
    few_shot: list[FewShot] = Field(default_factory=list)
    labels: list[Literal["none", "names", "descriptions"]] = Field(default_factory=list)
    structured: list[bool] = Field(default_factory=list)
    reasoning: list[bool] = Field(default_factory=list)
    temperature: list[float] = Field(default_factory=list)


class Optimiser(Strict):
    """A library that rewrites a prompt from what it got wrong on train rows. `pip install "tunegate[gepa]"`."""

    library: Literal["gepa"] = "gepa"
    model: str = Field(description="Model that reads the mistakes and writes the prompts")
    endpoint: str = Field("", description="Name under `endpoints` of where it answers; empty: `provider`")
    start: str = Field("", description="Prompt it starts from; empty: the best variant so far, on each base model")
    max_answers: int = Field(600, ge=50, description="Answers that scoring its prompts may take, for each base model")
    train_rows: int = Field(60, ge=5, description="Train rows whose mistakes it reads")
    validation_rows: int = Field(60, ge=5, description="Search rows that score its prompts on the way")
    max_tokens: int = Field(2048, ge=64, description="Tokens of one rewritten prompt")


class Prompts(Strict):
    """The prompt candidates."""

    folder: str = Field(description="Folder of prompt files, one YAML each")
    variants: list[str] = Field(default_factory=list, description="Names to try; empty: every file in the folder")
    minimal: str = Field("minimal", description="The short prompt that a tuned model is asked with")
    base_models: list[str | ModelAt] = Field(
        min_length=1, description="Base models on which the prompts are tried: a name, or {model, endpoint}"
    )
    search_rows: int = Field(300, ge=20, description="At most so many validation rows score each variant")
    grid: Grid | None = Field(None, description="Further variants, made from prompts of the folder")
    rounds: int = Field(
        1, ge=1, le=5, description="Successive halving: the better half of the variants goes on, on twice the rows"
    )
    search_budget: float | None = Field(
        None, gt=0, description="USD; a search that would cost more takes fewer rows, and says so"
    )
    optimiser: Optimiser | None = Field(None, description="Let a library write prompts as well")
    folds: int | None = Field(
        None,
        ge=2,
        le=20,
        description="For small sets: score variants on train and validation rows, examples coming from other folds",
    )

    @property
    def models(self) -> list[ModelAt]:
        """The base models, each with its endpoint."""
        return [ModelAt(model=item) if isinstance(item, str) else item for item in self.base_models]
