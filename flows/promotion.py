"""Moving the champion from Prefect's UI: forward to a registered version, or back to an earlier champion.

No `from __future__ import annotations` here: with it the form appears and every run of the deployment crashes.
"""

import logging
from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from data_contracts.load import load
from flows import moving
from tasks import prefect_artifacts as show
from tasks.steps.moving import Who

log = logging.getLogger("tunegate")
Reason = Annotated[str, Field(title="Why", min_length=1, max_length=300)]
YourName = Annotated[str, Field(title="Your name", min_length=1, max_length=100)]
Version = Annotated[int | None, Field(title="Version", ge=1)]


@flow(name="promote", flow_run_name="{use_case}")
def promote(use_case: str, reason: Reason, your_name: YourName, version: Version = None) -> dict[str, Any]:
    """Make a registered version champion, whatever its trial said of it; name and reason are the approval.

    Args:
        use_case: Name of a use case under deployments/, or the path of a use-case file
        reason: Goes on record, for whoever asks later
        your_name: As you call yourself: Prefect does not check it, and the record says so
        version: Its number in MLflow; empty: the challenger
    """
    show.redact_logs()
    return _shown(moving.promoted(load(use_case).use_case, version, Who(your_name, "self-declared", reason)))


@flow(name="rollback", flow_run_name="{use_case}")
def rollback(use_case: str, reason: Reason, your_name: YourName, version: Version = None) -> dict[str, Any]:
    """Make the champion before the present one champion again, if it still answers.

    Args:
        use_case: Name of a use case under deployments/, or the path of a use-case file
        reason: Goes on record, for whoever asks later
        your_name: As you call yourself: Prefect does not check it, and the record says so
        version: Its number in MLflow, of one that was champion once; empty: the last one before that still answers
    """
    show.redact_logs()
    return _shown(moving.rolled_back(load(use_case).use_case, version, Who(your_name, "self-declared", reason)))


def _shown(content: dict[str, Any]) -> dict[str, Any]:
    for warning in content["warnings"]:
        log.warning("champion   %s", warning)
    show.markdown("champion", moving.page(content), "Who is champion now, and on what evidence")
    return content
