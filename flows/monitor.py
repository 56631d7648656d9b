"""The watch window after a promotion as a Prefect flow.

No `from __future__ import annotations` here: with it the form appears and every run of the deployment crashes.
"""

from pathlib import Path
from typing import Any

from prefect import flow

from data_contracts.monitoring import MonitorReport
from flows import monitoring
from tasks import prefect_artifacts as show


def _name() -> str:
    from prefect.runtime import flow_run

    return f"monitor {Path(str(flow_run.parameters['use_case'])).stem}"


@flow(name="monitor", flow_run_name=_name, persist_result=False)
def monitor(use_case: str) -> dict[str, Any]:
    """Hold what production says about the champion against its own trial: healthy, degrade or roll back.

    Args:
        use_case: Name of a use case under deployments/, or the path of a use-case file; it needs monitor.sources
    """
    show.redact_logs()
    found = monitoring.monitor(use_case)
    report = MonitorReport.model_validate(found)
    page = monitoring.markdown(report)
    show.markdown("monitor", page, f"{report.health}: version {report.version} in production")
    show.table("monitor-checks", monitoring.rows(report), "What was measured, and what breaking it leads to")
    return {"health": report.health, "version": report.version, "action": report.action}
