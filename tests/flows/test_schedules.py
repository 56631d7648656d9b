"""Deployments: their form can be filled in, and their schedule really makes runs."""

import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import jsonschema
import pytest

from data_contracts.load import bundled, load
from flows.serve import deployments

DEADLINE_S = 60


@pytest.fixture(scope="module")
def forms(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Use case to deployment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEGATE_HOME", str(tmp_path_factory.mktemp("home")))
        return {deployment.name: deployment for deployment in deployments()}


def test_every_bundled_use_case_has_a_deployment_with_its_schedule(forms: dict[str, Any]) -> None:
    assert sorted(forms) == bundled()
    for name, deployment in forms.items():
        schedule = load(name).use_case.schedule
        assert schedule is not None
        assert [each.schedule.cron for each in deployment.schedules] == [schedule.cron]
        assert deployment.parameters == {"use_case": name}


@pytest.mark.parametrize("name", bundled())
def test_every_field_of_the_form_says_what_it_is(forms: dict[str, Any], name: str) -> None:
    schema = _schema(forms[name])
    options = schema["definitions"]["TrialOptions"]["properties"]
    for field, shown in {**schema["properties"], **options}.items():
        assert shown.get("title"), f"{field} has no title"
        assert len(shown.get("description", "")) > 20, f"{field} has no description"


@pytest.mark.parametrize("name", bundled())
def test_a_form_left_as_it_is_is_valid_and_a_misspelt_option_is_not(forms: dict[str, Any], name: str) -> None:
    schema = _schema(forms[name])
    as_it_is = {**_defaults(schema), **forms[name].parameters}
    jsonschema.validate(as_it_is, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**as_it_is, "options": {"trian": False}}, schema)


def test_the_scheduler_creates_runs_for_a_schedule(prefect_api: str) -> None:
    from prefect.schedules import Cron

    from flows.trial import trial

    deployment: Any = trial.to_deployment(
        name="nightly", parameters={"use_case": "support_intents"}, schedules=[Cron("0 3 * * *", timezone="UTC")]
    )
    starts = _await_starts(deployment.apply())
    assert all((start.hour, start.minute) == (3, 0) for start in starts)
    assert min(starts) > datetime.now(UTC)


def _await_starts(deployment: UUID) -> list[datetime]:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
    from prefect.client.schemas.objects import StateType

    this = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
    deadline = time.monotonic() + DEADLINE_S
    with get_client(sync_client=True) as client:
        while time.monotonic() < deadline:
            runs = client.read_flow_runs(deployment_filter=this)
            if runs:
                assert {run.state_type for run in runs} == {StateType.SCHEDULED}
                return [run.expected_start_time for run in runs if run.expected_start_time]
            time.sleep(0.2)
    raise AssertionError(f"no scheduled run after {DEADLINE_S} s")


def _schema(deployment: Any) -> dict[str, Any]:
    schema: dict[str, Any] = deployment._parameter_openapi_schema.model_dump()
    return schema


def _defaults(schema: dict[str, Any]) -> dict[str, Any]:
    return {name: field["default"] for name, field in schema["properties"].items() if "default" in field}
