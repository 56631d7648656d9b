"""promptfoo on the same cases: its configuration, its command, its results."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.engine.cases import MODEL, SYSTEM, Case, Job, Said
from tests.bench.engine.serving import ROOT

BIN = ROOT / ".venv-peers" / "promptfoo" / "node_modules" / ".bin"  # Node in a release that it supports, too
PROGRAM = BIN / "promptfoo"
FLAGS = ("--no-cache", "--no-table", "--no-progress-bar", "--no-share")


def prepare(folder: Path, job: Job) -> None:
    """A chat prompt, a provider by base address, and one test with an exact match for each case."""
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "{{text}}"}]
    config = {"apiBaseUrl": job.base_url, "apiKey": "none", "temperature": 0, "max_tokens": 8}
    document = {
        "prompts": [json.dumps(messages)],
        "providers": [{"id": f"openai:chat:{MODEL}", "config": config}],
        "tests": [_test(case) for case in job.asked],
        "evaluateOptions": {"maxConcurrency": job.concurrency, "cache": False, "showProgressBar": False},
    }
    folder.joinpath("promptfooconfig.json").write_text(json.dumps(document))


def command(folder: Path, again: bool) -> Sequence[str]:
    """The evaluation, or what is left of one that was killed."""
    source = ["--resume"] if again else ["--config", str(folder / "promptfooconfig.json")]
    return [str(PROGRAM), "eval", *source, *FLAGS, "--output", str(folder / "results.json")]


def said(folder: Path) -> list[Said]:
    """Outputs and latencies by its own account."""
    path = folder / "results.json"
    if not path.exists():
        return []
    results = json.loads(path.read_text())["results"]["results"]
    return [_said(one) for one in results]


def _said(result: Mapping[str, Any]) -> Said:
    response = result.get("response") or {}
    return Said(result["vars"]["number"], str(response.get("output") or ""), result.get("latencyMs") or 0)


def _test(case: Case) -> dict[str, object]:
    variables = {"number": case.number, "text": case.text}
    return {"vars": variables, "assert": [{"type": "equals", "value": case.expected}]}
