"""Prices: our dated rows, then genai-prices, else unknown; never 0 for what is not known."""

from tasks.providers.prices import base_model_of, price

OPENAI = "https://api.openai.com/v1"


def test_a_listed_base_model_has_inference_prices_and_no_training_price():
    found = price("gpt-4.1-mini", tuned=False, base_url=OPENAI)
    assert (found.input, found.output, found.training) == (0.4, 1.6, None)
    assert found.source.startswith("genai-prices")
    assert found.as_of


def test_a_tune_costs_what_tunes_cost_not_what_its_base_does():
    base = price("gpt-4o-mini-2024-07-18", tuned=False, base_url=OPENAI)
    tune = price("ft:gpt-4o-mini-2024-07-18:acme:mine:abc", tuned=True, base_url=OPENAI)
    planned = price("gpt-4o-mini-2024-07-18", tuned=True, base_url=OPENAI)
    assert (base.input, tune.input, planned.input) == (0.15, 0.3, 0.3)


def test_a_row_of_ours_fills_what_genai_prices_lacks_and_says_where_it_is_from():
    found = price("ft:gpt-4.1-mini-2025-04-14:acme::abc", tuned=True, base_url=OPENAI)
    assert (found.input, found.output, found.training) == (0.8, 3.2, None)
    assert "litellm" in found.source
    assert found.as_of == "2026-11-22"


def test_our_rows_hold_for_their_own_provider_only():
    assert price("gpt-4.1-mini-2025-04-14", tuned=True, base_url="https://example.com/v1").input is None


def test_what_nobody_lists_is_unknown():
    for model, base_url in (("no-such-model", OPENAI), ("gpt-4.1-mini", "https://example.com/v1")):
        found = price(model, tuned=False, base_url=base_url)
        assert (found.input, found.output, found.training) == (None, None, None)


def test_the_base_of_a_tune_is_in_its_name():
    assert base_model_of("ft:gpt-4o-mini-2024-07-18:acme:mine:abc") == "gpt-4o-mini-2024-07-18"
    assert base_model_of("gpt-4o-mini") == "gpt-4o-mini"
