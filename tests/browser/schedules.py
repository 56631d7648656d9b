"""Prefect's API, where a person would look at a clock: which runs there are, and a schedule in a hurry."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.browser.stack import Stack


def flow_runs(stack: Stack, flow: str, state: str | None = None) -> list[dict[str, Any]]:
    """Runs of a flow's deployments, the newest first; without a state, all that are not merely scheduled."""
    wanted = {"name": {"any_": [state]}} if state else {"type": {"not_any_": ["SCHEDULED"]}}
    asked = {"flows": {"name": {"any_": [flow]}}, "flow_runs": {"state": wanted}, "sort": "START_TIME_DESC"}
    found: list[dict[str, Any]] = _call(stack, "POST", "/flow_runs/filter", asked)
    return [one for one in found if one["deployment_id"]]


@contextmanager
def every(stack: Stack, deployment: str, seconds: int) -> Iterator[None]:
    """A deployment runs by itself so often, besides its own schedule, while the block lasts."""
    found = _call(stack, "GET", f"/deployments/name/{deployment}")["id"]
    quick = {"active": True, "schedule": {"interval": seconds, "anchor_date": "2026-01-01T00:00:00Z"}, "slug": "quick"}
    [made] = _call(stack, "POST", f"/deployments/{found}/schedules", [quick])
    yield
    _call(stack, "DELETE", f"/deployments/{found}/schedules/{made['id']}")


def _call(stack: Stack, method: str, path: str, body: object = None) -> Any:
    request = urllib.request.Request(
        stack.api + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        content = response.read()
    return json.loads(content) if content else None
