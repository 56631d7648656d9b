"""Deployments: their form can be filled in, and their schedule really makes runs."""

import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import jsonschema
import pytest

from data_contracts.load import bundled, load
from flows.deployables import deployables
from flows.serve import deployments

DEADLINE_S = 60


@pytest.fixture(scope="module")
def forms(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """`flow/name` to deployment, as one process serves them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEGATE_HOME", str(tmp_path_factory.mktemp("home")))
        return {f"{deployment.flow_name}/{deployment.name}": deployment for deployment in deployments()}


def test_what_is_served_is_what_a_work_pool_would_get(forms: dict[str, Any]) -> None:
    assert sorted(forms) == sorted(item.path for item in deployables())
    for item in deployables():
        served = forms[item.path]
        assert (served.parameters, served.description, served.tags) == (item.parameters, item.about, list(item.tags))
        assert [each.schedule.cron for each in served.schedules] == ([item.timetable.cron] if item.timetable else [])


def test_every_bundled_use_case_is_tried_by_its_own_schedule(forms: dict[str, Any]) -> None:
    for name in bundled():
        schedule = load(name).use_case.schedule
        assert schedule is not None
        [served] = forms[f"trial/{name}"].schedules
        assert (served.schedule.cron, served.schedule.timezone) == (schedule.cron, schedule.timezone)
        assert forms[f"trial/{name}"].parameters == {"use_case": name}


def test_the_watch_looks_once_a_day_at_all_of_them(forms: dict[str, Any]) -> None:
    [schedule] = forms["watch/all"].schedules
    minute, hour, *every = schedule.schedule.cron.split()
    assert (minute.isdigit(), hour.isdigit(), every) == (True, True, ["*", "*", "*"])
    assert forms["watch/all"].parameters == {}


def test_every_schedule_has_a_slug_so_that_serving_again_changes_it(forms: dict[str, Any]) -> None:
    assert all(schedule.slug for deployment in forms.values() for schedule in deployment.schedules)


def test_a_run_that_meets_another_waits_for_it_and_is_not_lost(forms: dict[str, Any]) -> None:
    for deployment in forms.values():
        assert deployment.concurrency_limit == 1
        assert deployment.concurrency_options.collision_strategy == "ENQUEUE"


@pytest.mark.parametrize("path", [item.path for item in deployables() if item.name in ("support_intents", "all")])
def test_every_field_of_the_form_says_what_it_is(forms: dict[str, Any], path: str) -> None:
    schema = _schema(forms[path])
    options = schema.get("definitions", {}).get("TrialOptions", {}).get("properties", {})
    for field, shown in {**schema["properties"], **options}.items():
        assert shown.get("title"), f"{field} has no title"
        assert len(shown.get("description", "")) > 20, f"{field} has no description"
    assert len(forms[path].description) > 100


@pytest.mark.parametrize("name", bundled())
def test_a_form_left_as_it_is_is_valid_and_a_misspelt_option_is_not(forms: dict[str, Any], name: str) -> None:
    form = forms[f"trial/{name}"]
    schema = _schema(form)
    as_it_is = {**_defaults(schema), **form.parameters}
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
