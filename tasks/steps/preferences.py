"""What a judge prefers, candidate against candidate, and whether people agree with it."""

from collections.abc import Mapping, Sequence

import pandas as pd

from data_contracts.candidate import Candidate
from data_contracts.evaluation import Judge
from data_contracts.evidence import JudgeReport
from data_contracts.money import Price
from tasks.evaluate.comparison.pairs import opponents
from tasks.evaluate.judging import judge as reading
from tasks.evaluate.judging.judge import Bout, HumanLabel
from tasks.evaluate.judging.judge_report import judge_report
from tasks.steps.asking import Progress, Terms, answers_to, identity_of
from tasks.storage import Storage
from tasks.workspace import Edge, Workspace

REPORT, READINGS = "judge.json", "preferences.parquet"
UNREADABLE = 0.02  # of the readings, from which it is said


def ask(space: Workspace, edge: Edge, field: Sequence[Candidate], progress: Progress) -> None:
    """Every pair that is tested, in both orders, and the pairs that people compared; kept as judge.json."""
    judge = space.case.use_case.evaluation.judge
    if judge is None:
        return
    test = space.rows("test", ["id", "input"])
    inputs = dict(zip(test["id"], test["input"], strict=True))
    answers = space.folder.read_frame("answers.parquet")
    found = reading.bouts(answers, pairs(field), inputs, judge.max_cases)
    labels = human_labels(space, judge)
    labelled = reading.labelled_bouts(labels)
    judged, of_people = _read(space, edge, judge, (found, labelled), progress)
    space.folder.write_frame(READINGS, judged)
    space.folder.write_json(REPORT, judge_report(judge, judged, labels, of_people if labels else None))


def report(space: Workspace) -> JudgeReport | None:
    """What it came to; None where there is no judge."""
    return space.folder.read_json(REPORT, JudgeReport) if space.folder.has(REPORT) else None


def notes(space: Workspace) -> list[str]:
    """What makes the judge hard to believe."""
    found = report(space)
    read = 2 * sum(pair.cases for pair in found.pairs) if found else 0
    if found and read and found.unreadable > UNREADABLE * read:
        return [
            f"{found.unreadable} readings of the judge were no verdict and count as ties: see whether "
            "`evaluation.judge.max_tokens` cuts them off."
        ]
    return []


def frame(space: Workspace) -> pd.DataFrame | None:
    """The preference of each pair and case; None where there is no judge."""
    return space.folder.read_frame(READINGS) if space.folder.has(READINGS) else None


def pairs(field: Sequence[Candidate]) -> list[tuple[str, str]]:
    """The names of each candidate and whom it is tested against."""
    names = [item.name for item in field]
    return [(names[one], names[other]) for one, other in opponents(field, names[0], "best-prompt")]


def human_labels(space: Workspace, judge: Judge) -> Mapping[str, HumanLabel]:
    """What people preferred, by line. Raises ConfigurationError for a line that is no such label."""
    if not judge.human_labels:
        return {}
    content = Storage().read(space.case.resolve(judge.human_labels))
    return reading.read_labels(content, judge.human_labels)


def price_of(judge: Judge, edge: Edge) -> Price:
    """What its readings cost."""
    return edge.at(judge.endpoint).price(judge.model, False)


def _read(
    space: Workspace, edge: Edge, judge: Judge, bouts: tuple[list[Bout], list[Bout]], progress: Progress
) -> tuple[pd.DataFrame, pd.DataFrame]:
    identity = identity_of(edge, judge.endpoint)
    questions = reading.questions([*bouts[0], *bouts[1]], judge, identity)
    terms = Terms({reading.NAME: price_of(judge, edge)}, 1.0, "answer judge")
    answers = answers_to(space, edge, questions, terms, progress)
    of_candidates, of_people = (reading.preferences(found, judge, identity, answers) for found in bouts)
    return of_candidates, of_people
