"""A row is measured against the training context of the base model, and a limit that is not known is none."""

import pytest

from tasks.curate.reading.tokens import model_limit, training_limit
from tests.curate.cases import use_case


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("gpt-4.1-mini", 65_536),
        ("gpt-4.1-nano-2025-04-14", 32_768),
        ("ft:gpt-4.1-nano-2025-04-14:org:suffix:id", 32_768),
        ("gpt-4.1-turbo", None),
        ("local-base-small", None),
    ],
)
def test_a_limit_holds_for_dated_snapshots_and_tunes_of_a_model_and_no_other(model, limit):
    assert model_limit(model) == limit


def test_the_limit_of_the_use_case_goes_before_that_of_the_model():
    tune = {"base_model": "gpt-4.1-mini"}
    assert training_limit(use_case("rows.jsonl", fine_tune=tune).use_case) == 65_536
    limited = use_case("rows.jsonl", fine_tune=tune, source={"max_tokens": 900})
    assert training_limit(limited.use_case) == 900
