"""Prices: what the use-case file states, then our dated tables, then genai-prices, else unknown; never 0."""

import datetime as dt

import pytest

from data_contracts.provider import OwnPrice
from tasks.providers import prices
from tasks.providers.prices import base_model_of, price

OPENAI = "https://api.openai.com/v1"
CRUSOE = "https://api.intelligence.crusoecloud.com/v1"
FOUNDRY = "https://acme.openai.azure.com/openai/v1"
GATEWAY = "https://gateway.example.com/v1"


def test_a_base_model_has_listed_inference_prices_and_the_training_price_of_our_table():
    found = price("gpt-4.1-mini-2025-04-14", tuned=False, base_url=OPENAI)
    assert (found.input, found.output, found.training) == (0.4, 1.6, 5.0)
    assert "openai.com/api/pricing" in found.source
    assert "input, output: genai-prices" in found.source
    assert found.as_of == "2026-11-22"


def test_a_tune_costs_what_tunes_cost_not_what_its_base_does():
    base = price("gpt-4o-mini-2024-07-18", tuned=False, base_url=OPENAI)
    tune = price("ft:gpt-4o-mini-2024-07-18:acme:mine:abc", tuned=True, base_url=OPENAI)
    planned = price("gpt-4o-mini-2024-07-18", tuned=True, base_url=OPENAI)
    assert (base.input, tune.input, planned.input) == (0.15, 0.3, 0.3)


def test_a_table_of_ours_fills_what_genai_prices_lacks():
    found = price("ft:gpt-4.1-mini-2025-04-14:acme::abc", tuned=True, base_url=OPENAI)
    assert (found.input, found.output, found.hosting) == (0.8, 3.2, 0.0)


def test_an_undated_name_costs_what_its_dated_snapshot_does_and_a_smaller_sister_does_not():
    assert price("gpt-4.1", tuned=False, base_url=OPENAI).training == 25.0
    assert price("gpt-4.1-mini", tuned=False, base_url=OPENAI).training == 5.0


def test_our_tables_hold_for_their_own_hosts_only():
    assert price("openai/gpt-oss-120b", tuned=False, base_url=CRUSOE).training == 6.0
    assert price("openai/gpt-oss-120b", tuned=False, base_url="https://crusoecloud.example.com/v1").training is None
    assert price("gpt-4.1-mini-2025-04-14", tuned=True, base_url=GATEWAY).input is None


@pytest.mark.parametrize(
    ("model", "tuned", "base_url"),
    [
        ("no-such-model", False, OPENAI),
        ("gpt-4.1-mini", False, GATEWAY),
        ("gpt-4.1-mini", True, FOUNDRY),
        ("o4-mini-2025-04-16", False, OPENAI),  # reinforcement is billed by the hour
    ],
)
def test_what_nobody_lists_is_unknown(model: str, tuned: bool, base_url: str):
    assert price(model, tuned, base_url).training is None


def test_hosting_at_a_provider_that_states_none_is_unknown():
    assert price("gpt-4.1-mini", tuned=True, base_url=FOUNDRY).hosting is None


def test_what_the_use_case_file_states_wins_part_by_part():
    own = {"gpt-4.1-mini": OwnPrice(input=9.0, training=7.0, tuned_input=1.0, hosting_per_hour=1.7)}
    base = price("gpt-4.1-mini", False, OPENAI, own)
    tune = price("gpt-4.1-mini", True, OPENAI, own)
    assert (base.input, base.output, base.training) == (9.0, 1.6, 7.0)
    assert (tune.input, tune.output, tune.hosting) == (1.0, 3.2, 1.7)
    assert base.source.startswith("the use-case file; output: ")


def test_at_an_endpoint_whose_prices_nobody_publishes_only_what_the_use_case_file_states_is_known():
    own = {"my-llama": OwnPrice(input=0.1, output=0.2)}
    found = price("my-llama", False, GATEWAY, own)
    assert (found.input, found.output, found.training) == (0.1, 0.2, None)
    assert found.source == "the use-case file"


def test_a_price_of_the_use_case_file_may_be_nothing():
    assert price("my-gpu", True, GATEWAY, {"my-gpu": OwnPrice(tuned_input=0, tuned_output=0)}).input == 0


def test_the_base_of_a_tune_is_in_its_name():
    assert base_model_of("ft:gpt-4o-mini-2024-07-18:acme:mine:abc") == "gpt-4o-mini-2024-07-18"
    assert base_model_of("gpt-4.1-mini-2025-04-14.ft-0e208cf33a6a466994aff31a08aba678") == "gpt-4.1-mini-2025-04-14"
    assert base_model_of("gpt-4o-mini") == "gpt-4o-mini"


def test_every_table_names_its_source_and_a_day_that_has_been():
    for table in prices._tables():
        assert "http" in table.source
        assert dt.date.fromisoformat(table.as_of) <= dt.date(2026, 11, 22)
