"""`python -m tests.verdicts USE_CASE [SEEDS]`: the verdict of a bundled use case over that many generator seeds.

Whole trials on the embedded provider, each in a home of its own; one line a seed, then how often each verdict came.
"""

import os
import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path

from data_contracts.contest import Comparison, Verdict
from data_contracts.generate import GENERATORS
from tests.embedded import RunningServer, embedded_server


def main(use_case: str, seeds: int) -> None:
    """Run them all, print as they come."""
    with tempfile.TemporaryDirectory() as folder, embedded_server(Path(folder) / "server") as server:
        found = [_trial(use_case, seed, Path(folder) / str(seed), server) for seed in range(1, seeds + 1)]
    print(dict(Counter(verdict.decision for verdict, _ in found)))
    for name in ("best-prompt", "tune-minimal"):
        values = [_metric(comparison, name) for _, comparison in found]
        print(f"{name}: {min(values):.3f} / {statistics.median(values):.3f} / {max(values):.3f} (least, median, most)")


def _trial(use_case: str, seed: int, folder: Path, server: RunningServer) -> tuple[Verdict, Comparison]:
    from tests import stepwise

    folder.mkdir()
    rows = folder / "rows.jsonl"
    rows.write_text("".join(f"{line}\n" for line in GENERATORS[use_case](seed).lines))
    os.environ.update(TUNEGATE_HOME=str(folder / "home"), TUNEGATE_PROVIDER_URL=server.url)
    space = stepwise.begin(Path(use_case), settings={"source.files": [{"path": str(rows)}]})
    edge = stepwise.edge_of(space)
    stepwise.take_data_steps(space)
    stepwise.take_money_steps(space, edge)
    stepwise.take_contest_steps(space, edge, stepwise.Registry(use_case))
    verdict = space.folder.read_json("verdict.json", Verdict)
    comparison = space.folder.read_json("comparison.json", Comparison)
    scores = ", ".join(f"{item.candidate.name} {item.metric.value:.3f}" for item in comparison.candidates)
    print(f"seed {seed}: {verdict.decision}, {scores}, {comparison.candidates[0].cases} cases", flush=True)
    return verdict, comparison


def _metric(comparison: Comparison, name: str) -> float:
    return next(item.metric.value for item in comparison.candidates if item.candidate.name == name)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20)
