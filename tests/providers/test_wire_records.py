"""Objects of the wire as servers really send them: with nulls, more keys, other states."""

import pytest
from pydantic import ValidationError

from tasks.providers.dialects import dialects
from tasks.providers.wire_records import STATES, WireFile, WireJob, WireModel

MINIMAL = '{"id": "ftjob-1"}'


def test_a_job_that_says_nothing_but_its_id_is_a_job_in_an_unknown_state():
    job = WireJob.model_validate_json(MINIMAL).normalised()
    assert (job.id, job.state, job.model, job.metadata) == ("ftjob-1", "unknown", None, {})


def test_nulls_and_keys_that_nobody_knows_are_let_through():
    said = """{"id": "ftjob-1", "status": "running", "fine_tuned_model": null, "metadata": null, "error": null,
      "usage_metrics": {"x": 1}, "user_provided_suffix": null, "trained_tokens": null, "shared_with_openai": true}"""
    assert WireJob.model_validate_json(said).normalised().state == "running"


@pytest.mark.parametrize("id_", ["", "a b", "x" * 257, "id\\u0000"])
def test_an_id_that_is_none_is_refused(id_):
    with pytest.raises(ValidationError):
        WireJob.model_validate_json(f'{{"id": "{id_}"}}')


@pytest.mark.parametrize(("status", "state"), [*STATES.items(), ("Succeeded", "succeeded"), ("resharding", "unknown")])
def test_each_of_openais_states_and_no_other_is_known(status, state):
    assert WireJob(id="ftjob-1", status=status).normalised().state == state


@pytest.mark.parametrize(("status", "state"), dialects()["foundry"].states.items())
def test_a_dialect_has_states_of_its_own(status, state):
    job = WireJob(id="ftjob-1", status=status)
    assert job.normalised(dialects()["foundry"].states).state == state


def test_a_state_that_a_dialect_adds_is_never_an_end_that_openai_does_not_have():
    for dialect in dialects().values():
        assert not {"succeeded", "failed"} & set(dialect.states.values())


def test_a_model_says_in_either_word_whether_it_can_be_tuned():
    assert WireModel.model_validate_json('{"id": "m", "fine_tuning_available": true}').tunable is True
    assert WireModel.model_validate_json('{"id": "m", "tunable": false}').tunable is False
    assert WireModel.model_validate_json('{"id": "m"}').tunable is None


@pytest.mark.parametrize(
    ("status", "usable"), [("processed", True), (None, True), ("uploaded", True), ("error", False)]
)
def test_a_file_that_was_refused_is_not_used_again(status, usable):
    file = WireFile(id="file-1", filename="a.jsonl", bytes=3, purpose="fine-tune", status=status)
    assert file.is_usable("a.jsonl", 3) is usable
