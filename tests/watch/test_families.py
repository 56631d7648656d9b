"""Names of base models: family, date, what an undated name leads to, and what is newer."""

import pytest

from tasks.providers.protocol import ModelInfo
from tasks.watch.families import family, is_listed, newer, resolved


@pytest.mark.parametrize(
    ("model", "of"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("gpt-3.5-turbo-0125", "gpt-3.5-turbo"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "anthropic.claude-3-haiku"),
        ("local-base-large-2026-06-01", "local-base-large"),
        ("gpt-4o", "gpt-4o"),
        ("meta.llama3-1-8b-instruct-v1:0", "meta.llama3-1-8b-instruct-v1:0"),
        ("ft:gpt-4o-2024-08-06:org::9aLGjEWM", "ft:gpt-4o-2024-08-06:org::9aLGjEWM"),
    ],
)
def test_a_family_is_the_name_without_its_date(model: str, of: str) -> None:
    assert family(model) == of


def listed(*ids: str, **created: int) -> list[ModelInfo]:
    return [ModelInfo(id_, created.get(id_.replace("-", "_"), 0), "them") for id_ in ids]


def test_newer_models_are_of_the_same_family_only_and_the_newest_comes_first() -> None:
    models = listed("gpt-4o-2024-11-20", "gpt-4o-2024-05-13", "gpt-4o-mini-2025-01-01", "gpt-4o-2025-03-01", "gpt-4o")
    later = newer(ModelInfo("gpt-4o-2024-08-06", 0, "them"), models)
    assert [info.id for info in later] == ["gpt-4o-2025-03-01", "gpt-4o-2024-11-20"]


def test_a_date_without_a_year_is_told_by_when_the_entry_was_created() -> None:
    base = ModelInfo("gpt-3.5-turbo-1106", 1_698_959_748, "them")
    later = ModelInfo("gpt-3.5-turbo-0125", 1_706_048_358, "them")
    assert newer(base, [base, later]) == [later]
    assert newer(later, [base, later]) == []


def test_nothing_is_newer_than_a_model_of_which_nobody_knows_the_day() -> None:
    older = ModelInfo("gpt-4-0314", 1_687_882_410, "them")
    assert newer(ModelInfo("gpt-4-0613", 0, "them"), [older]) == []


def test_an_undated_name_leads_where_its_answers_say() -> None:
    models = listed("gpt-4o", "gpt-4o-2024-05-13", "gpt-4o-2024-08-06")
    assert resolved("gpt-4o", models, "gpt-4o-2024-08-06") == "gpt-4o-2024-08-06"
    assert resolved("gpt-4o", models, "gpt-4o-mini-2024-07-18") == "gpt-4o"


def test_an_undated_name_leads_to_the_model_that_was_created_with_it() -> None:
    models = [ModelInfo("m", 7, ""), ModelInfo("m-2026-01-01", 5, ""), ModelInfo("m-2026-06-01", 7, "")]
    assert resolved("m", models) == "m-2026-06-01"


def test_where_nothing_tells_a_name_leads_to_itself() -> None:
    assert resolved("m", listed("m", "m-2026-01-01", "m-2026-06-01")) == "m"
    assert resolved("m-2026-01-01", []) == "m-2026-01-01"


def test_a_listed_dated_model_vouches_for_its_undated_name_and_for_no_other() -> None:
    models = listed("gpt-4o-mini-2024-07-18")
    assert is_listed("gpt-4o-mini", models)
    assert not is_listed("gpt-4o", models)
