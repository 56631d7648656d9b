"""What a person sees who is asked about a verdict: its reasons, the figures, and where the report is."""

import os
import re

from data_contracts.contest import Comparison, Verdict
from data_contracts.trial import TrialRef
from flows.environment import running
from tasks import prefect_artifacts as show
from tasks.register.mlflow_registry import Registry
from tasks.steps import conclusion
from tasks.workspace import Workspace, edge_of

PAGE = """**{use_case}**: **{decision}**. **{winner}** (`{model}`) would become champion{instead}.

{reasons}

{figures}

{links}
"""
COLUMNS = ("candidate", "metric", "95 % interval", "per 1,000 requests", "p95 ms", "format")


def page(space: Workspace, trial: TrialRef) -> str:
    """The verdict as Markdown, also kept as an artifact of the run; its report stands in MLflow from now on."""
    verdict = space.folder.read_json("verdict.json", Verdict)
    champion = space.champion.candidate if space.champion else None
    content = PAGE.format(
        use_case=trial.use_case,
        decision=verdict.decision,
        winner=verdict.winner.name,
        model=verdict.winner.model,
        instead=f" in the place of `{champion.model}`" if champion else "; there is none yet",
        reasons="\n".join(f"- {reason}" for reason in verdict.reasons),
        figures=_figures(space),
        links=_report(space, trial),
    )
    artifact = show.markdown("verdict-to-approve", content, "The verdict that waits for a yes")
    return f"{content}\n[This page as an artifact]({artifact})\n" if artifact else content


def after_no(space: Workspace) -> str:
    """What a no leaves."""
    if space.champion:
        return f"the champion stays `{space.champion.candidate.model}`, and the winner stands as challenger"
    if space.case.use_case.approvals.promotion == "always":
        return "there is still no champion, and the winner stands as challenger"
    return "the best prompt becomes the first champion, and the winner stands as challenger"


def _figures(space: Workspace) -> str:
    rows = [item.row for item in space.folder.read_json("comparison.json", Comparison).candidates]
    head = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    return "\n".join([*head, *("| " + " | ".join(row[name] for name in COLUMNS) + " |" for row in rows)])


def _report(space: Workspace, trial: TrialRef) -> str:
    """Markdown that leads to report.html: in MLflow's UI where its address is known, else in the run's folder."""
    conclusion.report(space, trial, edge_of(space))
    file = space.folder.checked("report.html")
    experiment = Registry(trial.use_case).show_file(trial.mlflow_run_id, file)
    address = _mlflow_ui()
    if not address:
        return f"The report: `{file}`, and in MLflow among the artifacts of run `{trial.mlflow_run_id}`"
    return f"[The report]({address}/#/experiments/{experiment}/runs/{trial.mlflow_run_id}/artifacts/report.html)"


def _mlflow_ui() -> str:
    """Without what may be a password."""
    chosen = os.environ.get("MLFLOW_TRACKING_URI", "")
    address = chosen if chosen.startswith("http") else running().get("mlflow", "")
    return re.sub(r"//[^/@ ]+@", "//", address).rstrip("/")
