"""What every published document of a run folder has in common."""

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """A published JSON document of a run folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)
