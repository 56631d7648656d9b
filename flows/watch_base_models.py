"""The base-model watch as a Prefect flow: scheduled, it notices what changed under a champion, and a trial follows.

No `from __future__ import annotations` here: with it the form appears and every run of the deployment crashes.
"""

from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from data_contracts.lifetimes import Finding, WatchReport
from data_contracts.records import as_json
from flows.watching import one_pass
from tasks.ledger import Ledger
from tasks.prefect_artifacts import redact_logs, table

ALL = "all"
SHOWN = ("use_case", "role", "days_left", "shutdown_date", "provider", "model", "base_model", "replacement")


@flow(name="watch", flow_run_name=lambda: "watch-" + _asked_for())
def watch(use_case: str = "") -> dict[str, Any]:
    """Look once at the base models under all champions: what retires, what is new, what answers otherwise.

    Args:
        use_case: Name of one use case under deployments/, or the path of its file; empty: all of them
    """
    redact_logs()
    found = one_pass(use_case, Ledger())
    table("owned-models", [_row(as_json(line)) for line in found.inventory], "Models in use, and their days")
    create_markdown_artifact(_page(found), key="base-models", description="What the base-model watch found")
    return as_json(found)


def _asked_for() -> str:
    from prefect.runtime import flow_run

    return str(flow_run.get_parameters().get("use_case") or ALL)


def _row(line: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("_", " "): line[name] for name in SHOWN}


def _page(found: WatchReport) -> str:
    """Findings, the soonest deadline first, then what could not be asked."""
    lines = [f"# {len(found.findings)} findings", *map(_item, found.findings)]
    if not found.findings:
        lines = ["# Nothing changed under the champions"]
    if found.unreachable:
        lines += ["", "## Not asked", *(f"- {problem}" for problem in found.unreachable)]
    return "\n".join(lines)


def _item(finding: Finding) -> str:
    days = "" if finding.days_left is None else f", {finding.days_left} days left"
    told = "" if finding.new else " (told before)"
    trial = "\n  - A trial is wanted that asks whether a prompt on the successor wins." if finding.wanted else ""
    return f"- **{finding.use_case}: {finding.kind}**{days}{told}. {finding.says}{trial}"
