"""What a provider cannot do is refused before anything is uploaded, with the field that asks for it."""

import dataclasses

import pytest

from tasks.errors import ConfigurationError
from tasks.finetune.submit import submit
from tasks.providers.protocol import Capabilities


@pytest.mark.parametrize(
    ("can", "wanted", "message"),
    [
        ({"methods": frozenset({"dpo"})}, {}, r"fine_tune\.method: scripted does not offer supervised\. It offers dpo"),
        ({"methods": frozenset()}, {}, "It offers no fine-tuning"),
        ({"hyperparameters": frozenset({"lora_r"})}, {"hyperparameters": {"rank": 8}}, "does not know rank.*lora_r"),
        ({"max_suffix": 5}, {"suffix": "support"}, r"fine_tune\.suffix: scripted takes at most 5 characters"),
        ({"min_examples": 100}, {}, "holds 12 examples, and scripted asks for 100"),
        ({"max_file_bytes": 10}, {}, "the training file has 0 MB, and scripted takes less than 0 MB"),
    ],
)
def test_nothing_is_sent(order, provider, ledger, clock, can, wanted, message: str) -> None:
    provider.capabilities = Capabilities(**can)
    order = dataclasses.replace(order, fine_tune=order.fine_tune.model_copy(update=wanted))
    with pytest.raises(ConfigurationError, match=message):
        submit(order, provider, ledger, clock)
    assert not provider.calls


def test_what_it_can_do_is_sent(order, provider, ledger, clock) -> None:
    provider.capabilities = Capabilities(methods=frozenset({"dpo"}), hyperparameters=frozenset({"lora_r"}))
    wanted = {"method": "dpo", "beta": 0.2, "hyperparameters": {"lora_r": 8}}
    submit(dataclasses.replace(order, fine_tune=order.fine_tune.model_copy(update=wanted)), provider, ledger, clock)
    (request,) = provider.requests
    assert (request.method, request.beta, request.hyperparameters) == ("dpo", 0.2, {"lora_r": 8})


def test_a_provider_without_a_list_of_hyperparameters_is_sent_what_is_set(order, provider, ledger, clock) -> None:
    provider.capabilities = Capabilities(open_hyperparameters=True)
    wanted = {"hyperparameters": {"anything": 1}}
    order = dataclasses.replace(order, fine_tune=order.fine_tune.model_copy(update=wanted))
    submit(order, provider, ledger, clock)
    assert provider.requests[0].hyperparameters == {"anything": 1}
