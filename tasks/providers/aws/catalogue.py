"""Which models Bedrock has in this region, and how long they live."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from tasks.providers.aws.account import Account
from tasks.providers.protocol import ModelInfo


def foundation_models(account: Account) -> list[ModelInfo]:
    """Those that answer in text. From the legacy period on a model takes no new jobs, after its end no requests."""
    listing = account.client("bedrock").list_foundation_models
    answer = account.read("listing models", lambda: listing(byOutputModality="TEXT"))
    return [_foundation_model(summary) for summary in answer["modelSummaries"]]


def inference_profiles(account: Account) -> Iterator[ModelInfo]:
    """Names under which models answer that are not asked by their own."""
    listing = account.client("bedrock").list_inference_profiles
    pages = account.pages("listing inference profiles", listing, "inferenceProfileSummaries", "nextToken")
    for summary in pages:
        made = summary.get("createdAt")
        yield ModelInfo(summary["inferenceProfileId"], int(made.timestamp()) if made else 0, "bedrock", tunable=False)


def today(account: Account) -> str:
    """The date of the account's clock, as lifecycles write it."""
    return datetime.fromtimestamp(account.clock.now(), UTC).strftime("%Y-%m-%d")


def _day(when: datetime | None) -> str | None:
    return when.astimezone(UTC).strftime("%Y-%m-%d") if when else None


def _foundation_model(summary: Mapping[str, Any]) -> ModelInfo:
    life = summary.get("modelLifecycle") or {}
    begun = life.get("startOfLifeTime")
    legacy = _day(life.get("legacyTime"))
    if life.get("status") == "LEGACY":
        legacy = legacy or _day(datetime.fromtimestamp(0, UTC))  # since some day that AWS does not name
    return ModelInfo(
        id=summary["modelId"],
        created=int(begun.timestamp()) if begun else 0,
        owned_by=summary.get("providerName", ""),
        shutdown_date=_day(life.get("endOfLifeTime")),
        tunable="FINE_TUNING" in summary.get("customizationsSupported", ()),
        training_until=legacy,
    )
