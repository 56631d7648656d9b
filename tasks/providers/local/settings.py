"""What the operator of the embedded provider sets: models, prices, speed, limits, and how long a job takes.

The file is read again when it changes, so that a base model can be retired or published under a running server.
"""

import base64
import datetime as dt
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tasks.providers.local.lora.settings import LoraSettings

M = TypeVar("M", bound=BaseModel)
_DATED = re.compile(r"^(?P<alias>local-base-.+)-(?P<date>\d{4}-\d{2}-\d{2})$")
_UNDATED = dt.date(1970, 1, 1)


class Section(BaseModel):
    """A part of the settings; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BaseModelSettings(Section):
    """A dated base model; its name carries its date, and the undated name leads to the newest."""

    shutdown_date: dt.date | None = Field(None, description="From this day (UTC) on it and its tunes are gone")
    training_until: dt.date | None = Field(None, description="From this day (UTC) on it takes no new jobs")
    tunable: bool = True
    methods: tuple[Literal["supervised", "dpo", "reinforcement"], ...] = ("supervised", "dpo", "reinforcement")

    def takes_jobs(self, today: dt.date) -> bool:
        """Whether training on it is still open."""
        return self.training_until is None or today < self.training_until


class Prices(Section):
    """Fictional USD per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    training: float = Field(ge=0)
    tuned_input: float = Field(ge=0)
    tuned_output: float = Field(ge=0)


class Latency(Section):
    """Milliseconds an answer takes, by its tokens."""

    base_ms: float = Field(15.0, ge=0)
    prompt_token_ms: float = Field(0.01, ge=0)
    completion_token_ms: float = Field(1.0, ge=0)
    scale: float = Field(1.0, ge=0, description="Multiplies all of it; 0 answers as fast as it can")

    def seconds(self, prompt_tokens: int, completion_tokens: int) -> float:
        """How long an answer takes."""
        tokens_ms = prompt_tokens * self.prompt_token_ms + completion_tokens * self.completion_token_ms
        return (self.base_ms + tokens_ms) * self.scale / 1000


class JobSeconds(Section):
    """Least seconds that a job spends in each state; training goes on longer where it needs to."""

    validating_files: float = Field(1.0, ge=0)
    queued: float = Field(1.0, ge=0)
    running: float = Field(4.5, ge=0)


class BatchSeconds(Section):
    """Least seconds that a batch spends in each state; answering goes on longer where it needs to."""

    validating: float = Field(0.5, ge=0)
    in_progress: float = Field(1.0, ge=0)
    finalizing: float = Field(0.5, ge=0)
    cancelling: float = Field(0.5, ge=0)
    window: float = Field(86_400, gt=0, description="How long the completion window of 24h lasts here")


class Limits(Section):
    """Requests and tokens a minute for each model."""

    requests_per_minute: float = Field(60_000, gt=0)
    tokens_per_minute: float = Field(100_000_000, gt=0)
    burst_s: float = Field(60, gt=0, description="Seconds' worth of the limit that may come at once")


class Degraded(Section):
    """A model that answers worse than it can, as after a silent change at a provider."""

    answers: Literal["wrong", "malformed", "refused"] = Field(
        "wrong",
        description="wrong: whatever is asked, as if nothing had been asked; malformed: in prose, in no asked form",
    )
    share: float = Field(1.0, gt=0, le=1, description="Of the questions, the same ones each time")


class Webhooks(Section):
    """Where the end of a job is reported, signed as OpenAI does."""

    url: str = Field(description="https, or http on this machine")
    secret: str | None = Field(None, description="whsec_ and base64, for tests; else name a variable")
    secret_env: str | None = Field(None, description="Variable that holds the secret")
    tries: int = Field(6, ge=1, description="Until one is answered with a status from 200 to 299")
    backoff_s: float = Field(1.0, ge=0, description="Wait after the first try; it doubles with each")

    @model_validator(mode="after")
    def _safe_and_signed(self) -> Self:
        address = urlsplit(self.url)
        here = address.hostname in ("127.0.0.1", "localhost", "::1")
        if address.scheme != "https" and not (address.scheme == "http" and here):
            raise ValueError("url: an address with https, or with http on this machine, is needed")
        if (self.secret is None) == (self.secret_env is None):
            raise ValueError("set either secret or secret_env")
        return self

    @property
    def key(self) -> bytes:
        """What messages are signed with. Raises ValueError where the variable is missing or it is no base64."""
        secret = self.secret or os.environ.get(self.secret_env or "", "")
        if not secret:
            raise ValueError(f"the variable {self.secret_env} is not set")
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)


_MODELS = {"local-base-small-2026-06-01": BaseModelSettings(), "local-base-large-2026-06-01": BaseModelSettings()}
_PRICES = {
    "local-base-small": Prices(input=0.15, output=0.60, training=3.00, tuned_input=0.30, tuned_output=1.20),
    "local-base-large": Prices(input=2.00, output=8.00, training=25.00, tuned_input=3.00, tuned_output=12.00),
}


class Settings(Section):
    """All of it; everything has a default."""

    organization: str = Field("embedded", pattern=r"^[a-z0-9-]+$", description="Stands in a tuned model's name")
    api_key_env: str | None = Field(None, description="Variable that holds the key to ask for; None: any key will do")
    training_closed: bool = Field(False, description="New fine-tuning jobs are refused")
    dialect: Literal["foundry", "nebius", "crusoe", "bedrock_openai"] | None = Field(
        None, description="Speak as this provider does; None: as OpenAI"
    )
    clock_offset_s: float = Field(0, description="The server's clock runs so many seconds ahead")
    context_tokens: int = Field(128_000, gt=0, description="A longer prompt is refused")
    file_seconds: float = Field(0, ge=0, description="An uploaded file is processed after so long")
    job_seconds: JobSeconds = JobSeconds()
    batch_seconds: BatchSeconds = BatchSeconds()
    batch_price: float = Field(0.5, ge=0, le=1, description="Share of the price that an answer costs in a batch")
    webhooks: Webhooks | None = None
    degraded: dict[str, Degraded] = Field(
        default_factory=dict, description="By a model's full name, or a pattern such as ft:*; the first that matches"
    )
    latency: Latency = Latency()
    limits: Limits = Limits()
    lora: LoraSettings = LoraSettings()
    models: dict[str, BaseModelSettings] = Field(
        default_factory=dict, description="Dated base models, besides and over the two that are always there"
    )
    prices: dict[str, Prices] = Field(default_factory=dict, description="By undated name, over the default prices")

    @model_validator(mode="after")
    def _models_are_dated_and_priced(self) -> Self:
        for name in self.models:
            found = _DATED.match(name)
            if not found:
                raise ValueError(f"models.{name}: a base model is named local-base-NAME-YYYY-MM-DD")
            dt.date.fromisoformat(found["date"])
            if found["alias"] not in self.all_prices:
                raise ValueError(f"models.{name}: set prices.{found['alias']} for it")
        return self

    @property
    def all_models(self) -> dict[str, BaseModelSettings]:
        """Dated name to settings, defaults included."""
        own = BaseModelSettings(methods=("supervised", "dpo"))
        return {**_MODELS, **self.models, **dict.fromkeys(self.lora.models, own)}

    @property
    def all_prices(self) -> dict[str, Prices]:
        """Undated name to prices, defaults included."""
        return {**_PRICES, **self.prices}

    def now(self) -> float:
        """Seconds since the epoch on the server's own clock."""
        return time.time() + self.clock_offset_s

    def today(self) -> dt.date:
        """The day (UTC) on the server's own clock."""
        return dt.datetime.fromtimestamp(self.now(), dt.UTC).date()

    @property
    def api_key(self) -> str:
        """The key to ask for; empty, so that none fits, where the variable is missing."""
        return os.environ.get(self.api_key_env or "", "")


def split_date(model: str) -> tuple[str, dt.date]:
    """`local-base-small-2026-06-01` -> (`local-base-small`, 2026-06-01); an operator's own model has no date."""
    found = _DATED.match(model)
    return (found["alias"], dt.date.fromisoformat(found["date"])) if found else (model, _UNDATED)


def read_as(kind: type[M], path: Path) -> M:
    """The JSON or YAML file as a model. Raises ValueError that names file and field, OSError if it is not there."""
    text = path.read_text(encoding="utf-8")
    try:
        return kind.model_validate(json.loads(text) if path.suffix == ".json" else YAML(typ="safe").load(text))
    except ValidationError as problems:
        found = (".".join(map(str, one["loc"])) + ": " + one["msg"] for one in problems.errors())
        raise ValueError(f"{path}: {'; '.join(found)}") from None
    except (YAMLError, json.JSONDecodeError) as problem:
        raise ValueError(f"{path}: {problem}") from None


class SettingsFile:
    """The settings as the file has them now. A change that is wrong is reported, and the last good ones stay."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = self._stamp_now()
        self._settings = read_as(Settings, path) if path.exists() else Settings()

    def current(self) -> Settings:
        """The settings, read again if the file has changed."""
        stamp = self._stamp_now()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._settings = read_as(Settings, self._path)
            except (OSError, ValueError) as problem:
                print(f"Changed settings were not taken over. {problem}", file=sys.stderr)
        return self._settings

    def _stamp_now(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_ino
