"""What is asked of Together: its own words, and no value that it would not understand."""

from typing import Any

import pytest

from tasks.errors import ConfigurationError
from tasks.providers.together_job import HYPERPARAMETERS, MAX_SUFFIX, job_body, price_body
from tests.providers.together_account import BASE
from tests.providers.together_setup import INTENT, order


def test_what_is_not_set_is_left_to_together() -> None:
    assert job_body(order()) == {
        "model": BASE,
        "training_file": "file-1",
        "random_seed": 7,
        "suffix": f"tg{INTENT[:16]}",
        "training_method": {"method": "sft", "train_on_inputs": "auto"},
    }


def test_the_users_suffix_stands_before_the_mark_of_the_purchase() -> None:
    assert job_body(order(suffix="support"))["suffix"] == f"support-tg{INTENT[:16]}"
    assert len(job_body(order(suffix="x" * MAX_SUFFIX))["suffix"]) == 40, "as many as Together takes"


def test_an_adapter_has_a_rank_and_twice_as_much_alpha_unless_told() -> None:
    plain = job_body(order(hyperparameters={"lora_r": 8}))
    assert plain["training_type"] == {"type": "Lora", "lora_r": 8, "lora_alpha": 16}
    told = job_body(order(hyperparameters={"lora_r": 8, "lora_alpha": 8, "lora_dropout": 0.1}))
    assert told["training_type"] == {"type": "Lora", "lora_r": 8, "lora_alpha": 8, "lora_dropout": 0.1}


def test_all_weights_are_trained_where_adapters_are_off() -> None:
    assert job_body(order(hyperparameters={"lora": False}))["training_type"] == {"type": "Full"}


def test_preferences_are_learnt_with_beta() -> None:
    body = job_body(order(method="dpo", beta=0.2, hyperparameters={"rpo_alpha": 0.5}))
    assert body["training_method"] == {"method": "dpo", "dpo_beta": 0.2, "rpo_alpha": 0.5}


def test_a_validation_file_is_evaluated_at_least_once() -> None:
    assert job_body(order(validation_file="file-2"))["n_evals"] == 1
    assert job_body(order(validation_file="file-2", hyperparameters={"n_evals": 5}))["n_evals"] == 5


@pytest.mark.parametrize("name", sorted(HYPERPARAMETERS - {"lora", "lora_r"}))
def test_every_hyperparameter_that_is_offered_reaches_the_request(name: str) -> None:
    method = "dpo" if name in ("rpo_alpha", "dpo_normalize_logratios_by_length") else "supervised"
    body = job_body(order(method=method, hyperparameters={name: 3, "lora_r": 8}))
    places = (body, body["training_method"], body["training_type"])
    assert [place[name] for place in places if name in place] == [3]


@pytest.mark.parametrize(
    ("wrong", "field", "remedy"),
    [
        ({"learning_rate_multiplier": 2.0}, "fine_tune.learning_rate_multiplier", "hyperparameters.learning_rate"),
        ({"method": "reinforcement"}, "fine_tune.method", "supervised, dpo"),
        ({"hyperparameters": {"lora_alpha": 16}}, "fine_tune.hyperparameters.lora_r", "rank"),
        ({"hyperparameters": {"lora": False, "lora_r": 8}}, "fine_tune.hyperparameters.lora", "Remove"),
    ],
)
def test_what_together_does_not_know_is_refused_with_what_to_set(
    wrong: dict[str, Any], field: str, remedy: str
) -> None:
    with pytest.raises(ConfigurationError, match=remedy) as refused:
        job_body(order(**wrong))
    assert refused.value.where == field


def test_the_price_is_asked_for_the_very_job() -> None:
    request = order(n_epochs=3, validation_file="file-2", hyperparameters={"lora_r": 8, "learning_rate": 1e-4})
    body = job_body(request)
    asked = price_body(request)
    assert asked == {name: body[name] for name in asked}
    assert {"n_epochs", "n_evals", "training_type", "training_method", "validation_file"} <= asked.keys()
