"""What a model costs: the use-case file, our dated tables, then the snapshot in genai-prices. Nothing is fetched."""

import re
from collections.abc import Mapping
from fnmatch import fnmatch
from functools import cache
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from data_contracts.load import parse, read_yaml
from data_contracts.money import Price
from data_contracts.provider import OwnPrice

TABLES = Path(__file__).with_name("prices.yaml")
UNKNOWN = "not in prices.yaml nor in genai-prices"
OWN = "the use-case file"
DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")
FOUNDRY = re.compile(r"\.ft-[0-9a-f]+$")  # BASE.ft-ID


class PriceTable(BaseModel):
    """Prices at one host by base model, where they come from, and when they were read."""

    model_config = ConfigDict(extra="forbid")

    host: str
    source: str
    as_of: str
    models: dict[str, OwnPrice]

    def find(self, host: str, base: str) -> OwnPrice | None:
        """The row of a base model at a host; an undated name stands for its dated snapshot, and that for it."""
        if not fnmatch(host, self.host):
            return None
        return _row(self.models, base)


class _Tables(BaseModel):
    tables: list[PriceTable]


def price(model: str, tuned: bool, base_url: str, own: Mapping[str, OwnPrice] | None = None) -> Price:
    """USD per million tokens at that endpoint, and USD an hour of hosting. Unknown parts are None.

    `model` is a base model, or a tuned one whose name tells its base; where it does not, ask by the base model. `own`
    is what the use-case file states by base model: each part that it states wins.
    """
    base, host = base_model_of(model), urlsplit(base_url).hostname or ""
    found = _listed(model, f"ft:{base}" if tuned else base, base_url)
    for table in _tables():
        if row := table.find(host, base):
            found = _over(found, _parts(row, tuned), table.source, table.as_of)
    stated = _row(own or {}, base)
    return _over(found, _parts(stated, tuned), OWN, found.as_of) if stated else found


def in_batches(live: Price, share: float) -> Price:
    """The price of the same answers where they come in a batch, at so much of it (`batches` in dialects.yaml)."""
    parts = {name: None if amount is None else share * amount for name, amount in _answering(live).items()}
    return live.model_copy(update={**parts, "source": f"{live.source}; in a batch {100 * share:.0f} % of it"})


def base_model_of(model: str) -> str:
    """`ft:BASE:ORG:SUFFIX:ID` and `BASE.ft-ID` -> `BASE`; another name is its own."""
    return model.split(":")[1] if model.startswith("ft:") else FOUNDRY.sub("", model)


def _answering(found: Price) -> dict[str, float | None]:
    return {"input": found.input, "output": found.output}


def _row(rows: Mapping[str, OwnPrice], base: str) -> OwnPrice | None:
    return next((row for name, row in rows.items() if _same(name, base)), None)


def _same(listed: str, asked: str) -> bool:
    return listed == asked or DATED.sub("", listed) == asked or listed == DATED.sub("", asked)


def _parts(row: OwnPrice, tuned: bool) -> dict[str, float]:
    """What the row states of a Price."""
    parts = {
        "input": row.tuned_input if tuned else row.input,
        "output": row.tuned_output if tuned else row.output,
        "training": row.training,
        "hosting": row.hosting_per_hour if tuned else None,
    }
    return {name: amount for name, amount in parts.items() if amount is not None}


def _over(found: Price, parts: Mapping[str, float], source: str, as_of: str) -> Price:
    """The parts in the place of those found, and the sources of both where something is left of either."""
    if not parts:
        return found
    kept = [name for name in ("input", "output", "training") if getattr(found, name) is not None and name not in parts]
    source = f"{source}; {', '.join(kept)}: {found.source}" if kept else source
    return found.model_copy(update={**parts, "source": source, "as_of": as_of})


def _listed(model: str, reference: str, base_url: str) -> Price:
    from genai_prices import Usage, calc_price

    million = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
    unknown = Price(
        model=model,
        input=None,
        output=None,
        hosting=None,
        source=UNKNOWN,
        as_of=f"genai-prices {version('genai-prices')}",
    )
    try:
        found = calc_price(million, reference, provider_api_url=base_url)
    except LookupError:
        return unknown
    source = f"genai-prices, {found.provider.id} {found.model.id}"
    prices = {"input": float(found.input_price), "output": float(found.output_price)}
    return unknown.model_copy(update={**prices, "source": source})


@cache
def _tables() -> list[PriceTable]:
    return parse(_Tables, read_yaml(TABLES), TABLES).tables
