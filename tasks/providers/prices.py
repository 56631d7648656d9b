"""What a model costs: our dated rows first, then the snapshot that comes with genai-prices. Nothing is fetched."""

from functools import cache
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from data_contracts.load import parse, read_yaml
from data_contracts.money import Price

ROWS = Path(__file__).with_name("prices.yaml")
UNKNOWN = "not in prices.yaml nor in genai-prices"


class PriceRow(BaseModel):
    """USD per million tokens, where the figure comes from, and when it was read."""

    model_config = ConfigDict(extra="forbid")

    host: str
    base_model: str
    tuned: bool
    input: float | None = None
    output: float | None = None
    training: float | None = None
    source: str
    as_of: str


class _Rows(BaseModel):
    rows: list[PriceRow]


def price(model: str, tuned: bool, base_url: str) -> Price:
    """USD per million tokens at that endpoint. `model` is a base model's or a tuned model's name."""
    base = base_model_of(model)
    for row in _rows():
        if row.tuned == tuned and row.host == urlsplit(base_url).hostname and row.base_model == base:
            return Price(model=model, **row.model_dump(exclude={"host", "base_model", "tuned"}))
    return _listed(model, f"ft:{base}" if tuned else base, base_url)


def base_model_of(model: str) -> str:
    """`ft:BASE:ORG:SUFFIX:ID` -> `BASE`; another name is its own."""
    return model.split(":")[1] if model.startswith("ft:") else model


def _listed(model: str, reference: str, base_url: str) -> Price:
    from genai_prices import Usage, calc_price

    million = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
    release = version("genai-prices")
    try:
        found = calc_price(million, reference, provider_api_url=base_url)
    except LookupError:
        return Price(model=model, input=None, output=None, source=UNKNOWN, as_of=f"genai-prices {release}")
    return Price(
        model=model,
        input=float(found.input_price),
        output=float(found.output_price),
        source=f"genai-prices, {found.provider.id} {found.model.id}",
        as_of=f"genai-prices {release}",
    )


@cache
def _rows() -> list[PriceRow]:
    return parse(_Rows, read_yaml(ROWS), ROWS).rows
