"""The engine as a trial uses it, in a fresh process: `python -m tests.bench.engine.ours FOLDER`.

Called again in the same folder it goes on where it was stopped.
"""

import json
import sys
from pathlib import Path

from tasks.evaluate.answer import Question, answer_all, request_hash
from tasks.evaluate.engine.journal import FileJournal
from tasks.providers.protocol import AnswerEndpoint
from tests.bench.engine.cases import MODEL, Said, read_job, write_said

HEAVY = ("pandas", "prefect", "mlflow")


def main() -> None:
    """Ask, write what came back, and which heavy libraries came along."""
    folder = Path(sys.argv[1])
    job = read_job(folder)
    bodies = [case.body for case in job.asked]
    questions = [
        Question("one", MODEL, str(number), body, request_hash("bench", body)) for number, body in enumerate(bodies)
    ]
    endpoint = AnswerEndpoint(job.url, {"Authorization": "Bearer none"}, 60, job.concurrency)
    answers = answer_all(questions, {"": endpoint}, FileJournal(folder / "journal.jsonl"), lambda _done, _of: None)
    write_said(folder, [Said(int(answer.case), answer.output, answer.latency_ms) for answer in answers])
    folder.joinpath("heavy.json").write_text(json.dumps([name for name in HEAVY if name in sys.modules]))


if __name__ == "__main__":
    main()
