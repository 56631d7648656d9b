"""What counts as the same purchase, and what as another one."""

import dataclasses
from collections.abc import Callable

import pytest

from tasks.finetune.submit import Order, intent_key, submit
from tests.finetune.scripted_provider import ScriptedProvider


@pytest.mark.parametrize(
    "other",
    [
        lambda order: dataclasses.replace(order, use_case="billing"),
        lambda order: dataclasses.replace(order, training=dataclasses.replace(order.training, sha256="0" * 64)),
        lambda order: dataclasses.replace(order, validation=None),
        *(
            lambda order, change=change: dataclasses.replace(order, fine_tune=order.fine_tune.model_copy(update=change))
            for change in (
                {"base_model": "base-2"},
                {"n_epochs": 3},
                {"batch_size": 4},
                {"learning_rate_multiplier": 0.5},
                {"seed": 8},
                {"generation": 2},
            )
        ),
    ],
)
def test_another_order_is_another_purchase(order, provider, other: Callable[[Order], Order]) -> None:
    assert intent_key(other(order), provider) != intent_key(order, provider)


@pytest.mark.parametrize("attribute", ["name", "base_url", "account"])
def test_another_provider_or_account_is_another_purchase(order, provider, clock, attribute: str) -> None:
    other = ScriptedProvider(clock)
    setattr(other, attribute, "another")
    assert intent_key(order, other) != intent_key(order, provider)


@pytest.mark.parametrize(
    "change", [{"suffix": "other"}, {"deadline_hours": 1.0}, {"settle_s": 1.0}, {"enabled": False}]
)
def test_what_does_not_change_the_job_is_the_same_purchase(order, provider, change: dict[str, object]) -> None:
    same = dataclasses.replace(order, run="run-9", fine_tune=order.fine_tune.model_copy(update=change))
    assert intent_key(same, provider) == intent_key(order, provider)


def test_raising_the_generation_buys_once_more(order, provider, ledger, clock) -> None:
    submit(order, provider, ledger, clock)
    again = dataclasses.replace(order, fine_tune=order.fine_tune.model_copy(update={"generation": 2}))
    assert not submit(again, provider, ledger, clock).attached
    assert len(provider.requests) == 2
