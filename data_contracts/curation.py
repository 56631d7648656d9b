"""curation.json: what curation found in the rows, beyond which of them it kept."""

from typing import Literal

from pydantic import Field

from data_contracts.document import Document


class LabelVariant(Document):
    """A spelling of a label that may be meant as another one."""

    label: str
    variant_of: str
    rows: int
    differs_in: Literal["case", "space", "homoglyph", "punctuation"]


class TiedToken(Document):
    """A word that came with new rows and goes with one label almost always: chance, habit, or poison."""

    token: str
    label: str
    source: str = Field(description="File that most of these rows come from")
    rows: int
    share: float = Field(description="Share of the rows with the token that have the label")


class DataDiff(Document):
    """How the curated rows differ from those of an earlier run."""

    run: str
    new: int
    gone: int
    relabelled: int
    unchanged: int
    tied_tokens: list[TiedToken] = Field(default_factory=list)


class CurationReport(Document):
    """What a data owner wants to know about the rows; counts and names, no row text."""

    duplicates: dict[str, int] = Field(default_factory=dict, description="same words, near -> rows dropped")
    near_rows: int = Field(0, description="Curated rows that have a near copy among the curated rows")
    conflicts: dict[str, int] = Field(default_factory=dict, description="same words, near -> rows with rival answers")
    label_variants: list[LabelVariant] = Field(default_factory=list)
    labels: dict[str, int] = Field(default_factory=dict, description="Classification: label -> curated rows")
    imbalance: float | None = Field(None, description="Rows of the commonest label over those of the rarest")
    slices: dict[str, dict[str, int]] = Field(default_factory=dict, description="slice -> value -> curated rows")
    thin_slices: list[str] = Field(default_factory=list, description="slice=value with fewer rows than asked")
    private: dict[str, dict[str, int]] = Field(
        default_factory=dict, description="kind of secret or personal data -> action -> rows"
    )
    label_noise: int | None = Field(None, description="Rows whose label a second look should confirm; None: not run")
    label_noise_file: str = "label_noise.parquet"
    diff: DataDiff | None = None
    warnings: list[str] = Field(default_factory=list)
