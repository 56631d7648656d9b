"""Prompts that a library writes, one for each base model, from train rows and scores on validation rows."""

import importlib.util
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import orjson
import pandas as pd

from data_contracts.candidate import Candidate, Prompt
from data_contracts.contest import PromptScore
from data_contracts.prompting import Optimiser
from tasks.errors import ConfigurationError
from tasks.evaluate.answer import Question, request_hash
from tasks.evaluate.optimise import Material, NoTextError, Writer, last_start, optimise
from tasks.evaluate.questions import Panel
from tasks.evaluate.search import search_metric
from tasks.prompting.prompt import as_text
from tasks.steps.answering import Answering
from tasks.steps.asking import examples_of
from tasks.workspace import Edge, Workspace

WHERE, POLICY = "prompts.optimiser", "text_policy.few_shot_in_registry"
MISSING = 'Install it: pip install "tunegate[gepa]".'


@dataclass(frozen=True)
class Optimised:
    """The prompts that were written, the sentence about what that took, and what else is to be said."""

    candidates: list[Candidate]
    told: str
    notes: list[str]


def require_optimiser(space: Workspace, prompts: dict[str, Prompt], rows: int) -> None:
    """Raises ConfigurationError before anything is paid for what the optimiser could not do on so many search rows."""
    wanted = space.case.use_case.prompts.optimiser
    if wanted is None:
        return
    if not space.case.use_case.text_policy.few_shot_in_registry:
        problem = f"what it writes may quote train rows and is registered, which `{POLICY}: false` forbids"
        raise ConfigurationError(WHERE, problem, f"Leave out `{WHERE}`, or set `{POLICY}: true`.")
    if importlib.util.find_spec(wanted.library) is None:
        raise ConfigurationError(WHERE, f"the library {wanted.library} is not installed", MISSING)
    if space.case.use_case.prompts.folds:
        problem = "with `prompts.folds` the train rows that it reads would score what it writes"
        raise ConfigurationError(WHERE, problem, "Leave one of the two out.")
    if wanted.start and wanted.start not in prompts:
        remedy = f"There are: {', '.join(sorted(prompts))}."
        raise ConfigurationError(f"{WHERE}.start", f"there is no prompt {wanted.start}", remedy)
    train = min(wanted.train_rows, len(space.partitions.train))
    last_start(train, min(wanted.validation_rows, rows), wanted.max_answers)


def optimised(
    space: Workspace, edge: Edge, panel: Panel, tried: Sequence[PromptScore], answering: Answering
) -> Optimised:
    """What the library makes, on each base model, of the start prompt or of the best variant so far."""
    wanted = space.case.use_case.prompts.optimiser
    if wanted is None:
        return Optimised([], "", [])
    material = _material(space, panel, wanted)
    written, answers, notes = [], [], []
    for start in _starts(tried, wanted):
        candidate = start.model_copy(update={"name": f"{_base(start)}/{wanted.library}"})
        on_base = _OnBase(space, edge, replace(panel, candidates=[candidate]), answering)
        writer = Writer(_Pen(on_base, wanted).write, wanted.max_answers)
        whole = as_text(start.prompt, space.case.contract, space.labels)
        found = optimise(start.prompt, whole, material, on_base.ask, writer)
        answers.append(found.answers)
        if found.prompt.digest == start.prompt.digest:
            notes.append(
                f"{wanted.library} found nothing better than {start.name} on its {len(material.validation)} rows."
            )
        else:
            written.append(on_base.candidate(_signed(found.prompt, wanted, start)))
    return Optimised(written, _told(wanted, answers), notes)


@dataclass(frozen=True)
class _OnBase:
    """One base model, asked with prompts as they are written."""

    space: Workspace
    edge: Edge
    panel: Panel
    answering: Answering

    def candidate(self, prompt: Prompt) -> Candidate:
        """The prompt on this base model."""
        return self.panel.candidates[0].model_copy(
            update={"prompt": prompt, "examples": examples_of(self.space, prompt)}
        )

    def ask(self, prompt: Prompt, rows: pd.DataFrame) -> pd.DataFrame:
        """Its scored answers to train or validation rows."""
        return self.answering.scored(replace(self.panel, candidates=[self.candidate(prompt)], rows=rows))


class _Pen:
    """The model that rewrites prompts. Asked the same once more it may say something else: that is another question."""

    def __init__(self, on_base: _OnBase, wanted: Optimiser) -> None:
        self._on_base, self._wanted = on_base, wanted
        self._asked: Counter[bytes] = Counter()

    def write(self, prompt: str) -> str:
        """Its answer. Raises NoTextError where that is cut off, refused or lost."""
        wanted, on_base = self._wanted, self._on_base
        body = orjson.dumps(
            {
                "model": wanted.model,
                "messages": [{"role": "user", "content": prompt}],
                "max_tokens": wanted.max_tokens,
            }
        )
        repeat = self._asked[body]
        self._asked[body] += 1
        request = request_hash(on_base.panel.identity(wanted.endpoint), body, repeat)
        question = Question(wanted.library, wanted.model, "", body, request, wanted.endpoint, repeat)
        price = on_base.edge.at(wanted.endpoint).price(wanted.model, tuned=False)
        answer = on_base.answering.plain(question, price, wanted.max_tokens)
        if answer.outcome != "answered":
            raise NoTextError(answer.outcome)
        return answer.output


def _material(space: Workspace, panel: Panel, wanted: Optimiser) -> Material:
    """Train rows by a seeded draw; the first of the search's own rows."""
    case = space.case.use_case
    train = space.rows("train").sort_values("words")
    drawn = train.sample(min(wanted.train_rows, len(train)), random_state=case.split.seed)
    return Material(drawn, panel.rows.head(wanted.validation_rows), search_metric(case), case.kind, case.split.seed)


def _starts(tried: Sequence[PromptScore], wanted: Optimiser) -> list[Candidate]:
    """For each base model the prompt that is named, or else its best."""
    named = [item.candidate for item in tried if wanted.start in ("", item.candidate.prompt.name)]
    first: dict[str, Candidate] = {}
    for candidate in named:
        first.setdefault(_base(candidate), candidate)
    return [first[base] for base in sorted(first)]


def _base(candidate: Candidate) -> str:
    return "/".join(filter(None, (candidate.endpoint, candidate.model)))


def _signed(prompt: Prompt, wanted: Optimiser, start: Candidate) -> Prompt:
    told = f"Written by {wanted.library} with {wanted.model}, from {start.prompt.name} on {_base(start)}"
    return prompt.model_copy(update={"name": wanted.library, "description": told})


def _told(wanted: Optimiser, answers: Sequence[int]) -> str:
    few, many = min(answers), max(answers)
    count = f"{few}" if few == many else f"{few} to {many}"
    return f"{wanted.library}, {count} answers on each of {len(answers)} base models"
