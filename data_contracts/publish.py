"""The JSON Schemas of published shapes, made from their models: `python -m data_contracts.publish` writes schemas/."""

import json
from pathlib import Path

from pydantic import BaseModel

from data_contracts.audit import AuditReport
from data_contracts.candidate import Prompt
from data_contracts.contest import Comparison, Verdict, VerdictRef
from data_contracts.contract import Contract
from data_contracts.curation import CurationReport
from data_contracts.evidence import FailureReport
from data_contracts.lifetimes import WatchReport
from data_contracts.lineage import Lineage
from data_contracts.money import Estimate
from data_contracts.monitoring import MonitorReport
from data_contracts.production import ProductionRecord
from data_contracts.records import Counts, LeakageReport, SealedTestSet
from data_contracts.use_case import UseCase
from data_contracts.worth import Effort, Recommendation

FOLDER = Path(__file__).parent / "schemas"
SHAPES: dict[str, type[BaseModel]] = {
    "use_case": UseCase,
    "contract": Contract,
    "prompt": Prompt,
    "counts": Counts,
    "curation": CurationReport,
    "leakage": LeakageReport,
    "sealed": SealedTestSet,
    "comparison": Comparison,
    "verdict": Verdict,
    "failures": FailureReport,
    "recommendation": Recommendation,
    "effort": Effort,
    "estimate": Estimate,  # `tunegate estimate --json`
    "run": VerdictRef,  # `tunegate run --json`
    "watch": WatchReport,  # `tunegate watch --json`
    "monitor": MonitorReport,
    "production": ProductionRecord,  # a line of what `monitor.sources` names
    "lineage": Lineage,
    "audit": AuditReport,  # `tunegate audit --json`
}


def schemas() -> dict[str, str]:
    """File name to content, by JSON Schema 2020-12."""
    return {f"{name}.json": _schema(model) for name, model in SHAPES.items()}


def write(folder: Path = FOLDER) -> None:
    """Write every schema, and remove those that are published no more."""
    folder.mkdir(exist_ok=True)
    published = schemas()
    for path in folder.glob("*.json"):
        if path.name not in published:
            path.unlink()
    for name, content in published.items():
        (folder / name).write_text(content, encoding="utf-8")


def _schema(model: type[BaseModel]) -> str:
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(dialect | model.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write()
