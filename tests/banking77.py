"""`python -m tests.banking77 [CASES ...]`: Banking77's table of candidates and its verdict at so many test cases.

Whole trials on the embedded provider, with the published training set; optional public data (Casanueva et al. 2020,
CC BY 4.0), looked for beside the project.
"""

import csv
import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path

from data_contracts.contest import Comparison, Verdict
from tests.embedded import RunningServer, embedded_server

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "banking77"
ALL = 3_080
CONTRACT = {
    "name": "banking77",
    "version": "1",
    "columns": {"text": {}, "category": {}},
    "mapping": {"input": "text", "output": "category"},
}
PROMPTS = [
    {"name": "minimal", "output_format": "Answer with the intent of the customer's question."},
    {"name": "names", "role": "You route questions of a bank's customers.", "labels": "names"},
    {"name": "similar", "labels": "names", "few_shot": {"count": 8, "choose": "similar"}},
]
USE_CASE = {
    "name": "banking77",
    "kind": "classification",
    "contract": "contract.yaml",
    "split": {"method": "given", "validation": 0.1},
    "leakage": {"on_leak": "withhold"},
    "prompts": {"folder": "prompts", "base_models": ["local-base-large"]},
    "fine_tune": {"base_model": "local-base-large"},
    "gates": {"max_latency_ratio": None},  # small models on a shared machine: their clock says nothing
    "budget": {"per_run": 100, "approval_above": 100},
}


def write(folder: Path, cases: int = ALL) -> Path:
    """The use-case file with its prompts and contract; of the test set so many cases, chosen by their hash."""
    (folder / "prompts").mkdir(parents=True)
    for prompt in PROMPTS:
        (folder / "prompts" / f"{prompt['name']}.yaml").write_text(json.dumps(prompt))
    (folder / "contract.yaml").write_text(json.dumps(CONTRACT))
    files = [{"path": str(FOLDER / "train.csv"), "partition": "train"}]
    files.append({"path": str(_subset(folder, cases)), "partition": "test"})
    path = folder / "banking77.yaml"
    path.write_text(json.dumps(USE_CASE | {"source": {"files": files}}))
    return path


def _subset(folder: Path, cases: int) -> Path:
    if cases >= ALL:
        return FOLDER / "test.csv"
    with (FOLDER / "test.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    rows.sort(key=lambda row: hashlib.sha256(row[0].encode()).digest())
    chosen = folder / "test.csv"
    with chosen.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows[:cases]])
    return chosen


def main(sizes: list[int]) -> None:
    """One trial a size, each in a home of its own."""
    with tempfile.TemporaryDirectory() as folder, embedded_server(Path(folder) / "server") as server:
        for cases in sizes:
            _show(*_trial(Path(folder) / str(cases), cases, server))


def _trial(folder: Path, cases: int, server: RunningServer) -> tuple[Verdict, Comparison]:
    from tests import stepwise

    path = write(folder, cases)
    os.environ.update(TUNEGATE_HOME=str(folder / "home"), TUNEGATE_PROVIDER_URL=server.url)
    space = stepwise.begin(path)
    edge = stepwise.edge_of(space)
    stepwise.take_data_steps(space)
    stepwise.take_money_steps(space, edge)
    stepwise.take_contest_steps(space, edge, stepwise.Registry("banking77"))
    return space.folder.read_json("verdict.json", Verdict), space.folder.read_json("comparison.json", Comparison)


def _show(verdict: Verdict, comparison: Comparison) -> None:
    print(f"\n{comparison.candidates[0].cases} test cases: {verdict.decision}")
    for item in comparison.candidates:
        shown = f"{item.metric.value:.3f} ({item.metric.low:.3f} to {item.metric.high:.3f})"
        print(f"  {item.candidate.name:<13} {shown}  macro F1 {item.macro_f1:.3f}  format {item.format_adherence:.3f}")
    for test in comparison.tests:
        found, needed = test.difference, test.cases_needed
        shown = f"{100 * found.value:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f}) points"
        against = f"{test.candidate} against {test.reference}"
        print(f"  {against:<34} {shown}, p {test.p_adjusted:.2g}, power {test.power or 0:.2f}, needed {needed}")
    for reason in verdict.reasons:
        print(f"  - {reason}")
    sys.stdout.flush()


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [100, 500, ALL])
