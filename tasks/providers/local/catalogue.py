"""Which models there are: dated base models, the undated names that lead to them, and tunes."""

import datetime as dt
import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from tasks.providers.local.errors import ApiError, model_not_found
from tasks.providers.local.pages import Public
from tasks.providers.local.settings import Settings, SettingsFile, split_date
from tasks.providers.local.store import Collection, Record


class Tune(Record):
    """A tuned model as it is stored; `id` is the last part of its name."""

    name: str
    base: str
    created_at: float
    folder: str
    visible_from: float
    listed_from: float = 0
    answers_from: float = 0
    gone_from: float | None = None

    def there(self, now: float) -> bool:
        """Whether it is found at all."""
        return self.visible_from <= now and (self.gone_from is None or now < self.gone_from)


@dataclass(frozen=True)
class Model:
    """A model that answers: a dated base, with the folder of what a tune learnt."""

    id: str
    base: str
    tuned: Path | None
    created: int
    owner: str

    @property
    def fingerprint(self) -> str:
        """Says whether the same model answered."""
        return "fp_" + hashlib.sha256(self.id.encode()).hexdigest()[:10]


class Catalogue:
    """All models. A base that is shut down is gone, and its tunes with it."""

    def __init__(self, folder: Path, settings: SettingsFile) -> None:
        self._tunes = Collection(folder, Tune)
        self._settings = settings

    def resolve(self, name: str) -> Model:
        """The model behind a dated, undated or tuned name, or a checkpoint's. Raises ApiError 404."""
        settings = self._settings.current()
        name = name.partition(":ckpt-step-")[0]
        tune = self._tunes.get(name.rpartition(":")[2]) if name.startswith("ft:") else None
        dated = tune.base if tune and tune.name == name else self._aliases(settings).get(name, name)
        if dated not in self._alive(settings) or (tune and not tune.there(settings.now())):
            raise model_not_found(name)
        return self._tuned(tune, settings) if tune else self._base(dated)

    def resolve_answering(self, name: str) -> Model:
        """The same where it is to answer, which a tune may begin later to do than to be found."""
        model, tune = self.resolve(name), self._tunes.get(name.partition(":ckpt-step-")[0].rpartition(":")[2])
        if model.tuned and tune and tune.answers_from > self._settings.current().now():
            raise model_not_found(name)
        return model

    def resolve_tunable(self, name: str, method: str) -> Model:
        """The dated base model that a job on `name` trains. Raises ApiError."""
        model, settings = self.resolve(name), self._settings.current()
        base = settings.all_models[model.base]
        if model.tuned or not base.tunable:
            raise ApiError(400, f"Model {name} is not available for fine-tuning.", "model", "model_not_available")
        if method not in base.methods:
            raise ApiError(400, f"Model {name} is not available for {method}.", "method", "model_not_available")
        if settings.training_closed or not base.takes_jobs(settings.today()):
            message = "Fine-tuning is closed to new jobs; existing tuned models keep answering until they shut down."
            raise ApiError(403, message, code="fine_tuning_unavailable")
        return model

    def add_tune(self, tune: Tune) -> None:
        """Publish a tune; publishing it again changes nothing."""
        self._tunes.put(tune)

    def next_order(self) -> int:
        """Number of the next tune."""
        return self._tunes.next_order()

    def delete(self, name: str) -> Public:
        """Delete a tune with all that it learnt. Raises ApiError for a base model."""
        model = self.resolve(name)
        if model.tuned is None:
            raise ApiError(
                403, f"The base model {name} cannot be deleted; only tuned models can.", code="not_deletable"
            )
        self._tunes.delete(name.rpartition(":")[2])
        shutil.rmtree(model.tuned, ignore_errors=True)
        return {"id": name, "object": "model", "deleted": True}

    def page(self) -> Public:
        """Every model that answers now, undated names included."""
        settings = self._settings.current()
        names = list(dict.fromkeys([*self._aliases(settings), *self._alive(settings)]))
        tunes = [
            tune.name
            for tune in self._tunes.newest_first()
            if tune.base in self._alive(settings) and tune.there(settings.now()) and tune.listed_from <= settings.now()
        ]
        return {"object": "list", "data": [self.public(name) for name in names + tunes]}

    def public(self, name: str) -> Public:
        """A model as the wire shows it. Raises ApiError 404."""
        model = self.resolve(name)
        base = self._settings.current().all_models[model.base]
        return {
            "id": name,
            "object": "model",
            "created": model.created,
            "owned_by": model.owner,
            "shutdown_date": base.shutdown_date and base.shutdown_date.isoformat(),
            "tunable": base.tunable and model.tuned is None,
            "training_until": base.training_until and base.training_until.isoformat(),
        }

    def prices(self) -> Public:
        """The price table, for dated and undated base models; one that the operator does not price is not in it."""
        settings = self._settings.current()
        priced = {alias: alias for alias in self._aliases(settings)}
        priced |= {dated: split_date(dated)[0] for dated in self._alive(settings)}
        table = settings.all_prices
        data = [{"model": name, **table[alias].model_dump()} for name, alias in priced.items() if alias in table]
        table_of = {"object": "list", "currency": "USD", "unit": "per_million_tokens"}
        return {**table_of, "batch_price": settings.batch_price, "data": data}

    @staticmethod
    def _alive(settings: Settings) -> list[str]:
        today = settings.today()
        models = settings.all_models.items()
        return sorted(name for name, one in models if one.shutdown_date is None or one.shutdown_date > today)

    def _aliases(self, settings: Settings) -> dict[str, str]:
        """Undated name -> newest dated model that is alive (published by today)."""
        by_date = sorted(self._alive(settings), key=lambda name: split_date(name)[1])
        return {split_date(name)[0]: name for name in by_date}

    @staticmethod
    def _base(dated: str) -> Model:
        published = dt.datetime.combine(split_date(dated)[1], dt.time(), dt.UTC)
        return Model(id=dated, base=dated, tuned=None, created=int(published.timestamp()), owner="tunegate-embedded")

    def _tuned(self, tune: Tune, settings: Settings) -> Model:
        folder = self._tunes.folder.parent / tune.folder
        return Model(tune.name, tune.base, folder, int(tune.created_at), settings.organization)
