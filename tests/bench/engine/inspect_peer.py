"""inspect_ai on the same cases, in its own environment: `python -m tests.bench.engine.inspect_peer FOLDER [again]`."""

import sys
from collections.abc import Iterator
from pathlib import Path

from inspect_ai import Task, eval, eval_retry, task  # noqa: A004 - its name
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.log import EvalLog, list_eval_logs, read_eval_log
from inspect_ai.model import ChatMessageSystem, ChatMessageUser
from inspect_ai.scorer import match
from inspect_ai.solver import generate

from tests.bench.engine.cases import MODEL, SYSTEM, Case, Said, read_job, write_said


@task
def queues(cases: int) -> Task:
    """Named, and made from plain arguments: that is how it finds its way back to a task that was killed."""
    samples = [_sample(Case(number)) for number in range(cases)]
    return Task(dataset=MemoryDataset(samples), solver=generate(), scorer=match())


def main() -> None:
    """Evaluate, or go on with what was killed."""
    folder, again = Path(sys.argv[1]), len(sys.argv) > 2
    job, logs = read_job(folder), str(folder / "logs")
    if again:
        found = [read_eval_log(one) for one in list_eval_logs(logs)]
        (log,) = eval_retry(found, log_dir=logs, display="none")
    else:
        (log,) = eval(
            queues(job.cases),
            model=f"openai-api/bench/{MODEL}",
            model_base_url=job.base_url,
            max_connections=job.concurrency,
            temperature=0,
            max_tokens=8,
            log_dir=logs,
            display="none",
        )
    write_said(folder, list(_said(log)))


def _sample(case: Case) -> Sample:
    messages = [ChatMessageSystem(content=SYSTEM), ChatMessageUser(content=case.text)]
    return Sample(input=[*messages], target=case.expected, id=case.number)


def _said(log: EvalLog) -> Iterator[Said]:
    for sample in log.samples or []:
        yield Said(int(sample.id), sample.output.completion, 1000 * (sample.output.time or 0))


if __name__ == "__main__":
    main()
