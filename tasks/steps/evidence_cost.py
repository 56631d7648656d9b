"""What judging and general tasks are about to cost, beside the answers themselves."""

from collections.abc import Sequence
from dataclasses import replace

from data_contracts.candidate import Candidate
from data_contracts.money import Price
from tasks.decide.readiness import Requests
from tasks.evaluate import general as general_tasks
from tasks.evaluate.answer import Question, answer_all
from tasks.evaluate.judging import judge as reading
from tasks.evaluate.questions import Panel, build
from tasks.steps import general, preferences
from tasks.steps.asking import answer_tokens, identity_of, price_of, scored
from tasks.workspace import Edge, Workspace

Batch = tuple[str, Requests]  # the endpoint's name, and what is asked there
INSTRUCTIONS = len(reading.INSTRUCTIONS) / 4  # tokens


def of_general_tasks(space: Workspace, edge: Edge, tunes: Sequence[Candidate]) -> list[Batch]:
    """Each tune and its base model once on every task."""
    settings = space.case.use_case.evaluation.general
    if settings is None:
        return []
    tasks, batches = general.tasks(space), []
    for tune in general.tunes_of(tunes):
        for model, tuned in ((tune.model, True), (general.base_of(tune, space), False)):
            asked = general_tasks.questions(tasks, [model], settings, identity_of(edge, tune.endpoint), tune.endpoint)
            price = edge.at(tune.endpoint).price(tune.base_model, tuned)
            batches.append((tune.endpoint, _missing(edge, asked, settings.max_tokens / 2, price)))
    return batches


def of_judge(space: Workspace, edge: Edge, panel: Panel) -> list[Batch]:
    """Two readings of each pair of candidates and case, and of each pair that people compared.

    `panel`: the final one. Where all of its answers are stored, the readings that are stored too cost nothing.
    """
    judge = space.case.use_case.evaluation.judge
    if judge is None:
        return []
    price, identity = preferences.price_of(judge, edge), identity_of(edge, judge.endpoint)
    bouts, labels = _bouts(space, edge, panel), preferences.human_labels(space, judge)
    known = [*bouts, *reading.labelled_bouts(labels)]
    batches = [_missing(edge, reading.questions(known, judge, identity), 1.0, price)]
    if not bouts:
        count = 2 * len(preferences.pairs(panel.candidates)) * min(judge.max_cases, len(panel.rows))
        material = panel.rows["input"].str.len().mean() / 4 + 2 * answer_tokens(panel)
        batches.append(Requests(count, INSTRUCTIONS + len(judge.criteria) / 4 + material, 1.0, price))
    return [(judge.endpoint, replace(requests, part="answer judge")) for requests in batches]


def _bouts(space: Workspace, edge: Edge, panel: Panel) -> list[reading.Bout]:
    """What the judge will read, where every answer is stored; else nothing."""
    judge = space.case.use_case.evaluation.judge
    questions = build(panel)
    wanted = {question.request for question in questions}
    if judge is None or len(edge.ledger.stored_answers(sorted(wanted))) < len(wanted):
        return []
    answers = answer_all(questions, {}, edge.ledger, lambda done, of: None)
    prices = {item.name: price_of(item, edge) for item in panel.candidates}
    inputs = dict(zip(panel.rows["id"], panel.rows["input"], strict=True))
    frame = scored(space, panel, answers, prices)
    return reading.bouts(frame, preferences.pairs(panel.candidates), inputs, judge.max_cases)


def _missing(edge: Edge, questions: Sequence[Question], completion_tokens: float, price: Price) -> Requests:
    """Those that the ledger holds no answer to."""
    stored = edge.ledger.stored_answers(sorted({question.request for question in questions}))
    sizes = {question.request: len(question.body) for question in questions if question.request not in stored}
    return Requests(len(sizes), sum(sizes.values()) / max(1, len(sizes)) / 4, completion_tokens, price)
