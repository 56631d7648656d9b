"""The best prompt: every variant on the same validation rows, ranked; and who goes on from round to round."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

import pandas as pd

from data_contracts.candidate import Candidate
from data_contracts.contest import PromptScore, PromptSearch
from data_contracts.use_case import METRICS, TaskKind, UseCase
from tasks.errors import TunegateError
from tasks.evaluate.comparison.measure import measure, overall, side_by_side
from tasks.evaluate.comparison.usage import cost_per_request, format_adherence, mean_tokens
from tasks.evaluate.questions import Panel
from tasks.prompting.bloat import warnings

LEAST_FORMAT = 0.5  # a best prompt of fewer readable answers is broken, and beating it shows nothing
LEAST_ROWS = 20  # fewer tell hardly anything: one answer is worth five points
LEAST_SURVIVORS = 2
SAMPLE = 20  # rows whose prompts are taken apart
DECODING = ("temperature", "top_p", "seed", "max_tokens")
Layers = Mapping[str, Mapping[str, float]]  # candidate -> layer -> tokens


class BrokenPromptsError(TunegateError):
    """No variant answers well enough to be what a tune is compared with."""

    exit_code = 3

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem, self.remedy = problem, remedy

    def __str__(self) -> str:
        return f"The search found no prompt to compare a tune with: {self.problem}; nothing was trained. {self.remedy}"


def rank(answers: pd.DataFrame, candidates: Sequence[Candidate], metric: str, kind: TaskKind) -> PromptSearch:
    """Variants by the metric on validation, as `scores` orders them.

    Raises BrokenPromptsError where the best is no rival for a tune.
    """
    tried = scores(answers, candidates, metric, kind)
    refuse_broken(tried)
    return PromptSearch(metric=metric, tried=tried)


def scores(
    answers: pd.DataFrame, candidates: Sequence[Candidate], metric: str, kind: TaskKind, layers: Layers | None = None
) -> list[PromptScore]:
    """How each did on the rows that all of them answered, best first; on a tie the cheaper, then the shorter one.

    One with failed requests stands behind all others. `layers` says what a prompt's tokens are spent on.
    """
    sides = side_by_side(answers, [candidate.name for candidate in candidates])
    figures = overall(measure(sides, metric, kind))
    tried = [
        _prompt_score(candidate, side, float(figure), (layers or {}).get(candidate.name, {}))
        for candidate, side, figure in zip(candidates, sides, figures, strict=True)
    ]
    return sorted(tried, key=_order)


def search_metric(case: UseCase) -> str:
    """What prompts are ranked by: the deciding metric, or the usual one of the kind where a judge of pairs decides."""
    return METRICS[case.kind][0] if case.metric == "judge" else case.metric


def schedule(rows: int, rounds: int) -> list[int]:
    """Rows of each round, doubling up to `rows`: successive halving (Jamieson and Talwalkar 2016).

    A round of as many rows as the next one would tell nothing new and is left out, so that few rows have fewer rounds.
    """
    least = min(rows, LEAST_ROWS)
    return sorted({max(least, rows >> later) for later in range(rounds)})


def survivors(ranked: Sequence[PromptScore]) -> list[Candidate]:
    """The better half, and the best of each base model: prompts are not portable, so none loses its last one."""
    kept = _half(len(ranked))
    first: dict[tuple[str, str], str] = {}
    for item in ranked:
        first.setdefault((item.candidate.endpoint, item.candidate.model), item.candidate.name)
    best = set(first.values())
    return [item.candidate for place, item in enumerate(ranked) if place < kept or item.candidate.name in best]


def survivors_at_most(field: int, base_models: int) -> int:
    """How many of so many on so many base models may go on: the best of one base model is in the better half."""
    return min(field, _half(field) + base_models - 1)


def layers_of(panel: Panel) -> Layers:
    """Mean estimated tokens of each layer of each candidate's prompt, examples and input included."""
    rows = panel.rows.head(SAMPLE)
    sample = replace(panel, rows=rows)
    return {candidate.name: _layers(sample, candidate) for candidate in panel.candidates}


def unequal_decoding(candidates: Sequence[Candidate]) -> list[str]:
    """A sentence for each decoding parameter that is not the same for all of them."""
    found = []
    for parameter in DECODING:
        values = [getattr(candidate.prompt.decoding, parameter) for candidate in candidates]
        counts = Counter("not set" if value is None else f"{value:g}" for value in values)
        if len(counts) > 1:
            told = ", ".join(f"{value} for {count}" for value, count in counts.most_common())
            found.append(
                f"Decoding is not the same for all prompts: {parameter} is {told}; it may explain a difference."
            )
    return found


def effort_told(tried: Sequence[PromptScore]) -> str:
    """How many prompts were tried on how many rows."""
    rows = Counter(item.rows for item in tried)
    if len(rows) == 1:
        return f"{len(tried)} prompts were tried on {tried[0].rows} rows each."
    reached = ", ".join(f"{sum(n for r, n in rows.items() if r >= count)} on {count}" for count in sorted(rows))
    return f"{len(tried)} prompts were tried in {len(rows)} rounds, the better ones going on: {reached} rows."


def _half(field: int) -> int:
    return max(LEAST_SURVIVORS, (field + 1) // 2)


def _layers(panel: Panel, candidate: Candidate) -> dict[str, float]:
    shots = panel.few_shots(candidate).choose(list(panel.rows["input"]), candidate.prompt.few_shot)
    rows = zip(panel.rows["messages"], shots, strict=True)
    each = [panel.renderer.layers(candidate.prompt, json.loads(messages), few) for messages, few in rows]
    return {name: fmean(one[name] for one in each) for name in each[0]} if each else {}


def refuse_broken(tried: Sequence[PromptScore]) -> None:
    """Raise BrokenPromptsError where the best of them is no rival for a tune."""
    best = tried[0]
    if best.failed:
        failed = ", ".join(f"{item.candidate.name} {item.failed} of {item.rows}" for item in tried)
        remedy = (
            "See whether the prompts fit the model's context and what the provider's log says, then "
            "`tunegate resume` asks for the missing answers again."
        )
        raise BrokenPromptsError(f"every variant has requests that failed ({failed})", remedy)
    if best.format_adherence < LEAST_FORMAT:
        problem = (
            f"the best, {best.candidate.name}, gives an answer of the asked form in only "
            f"{best.format_adherence:.0%} of {best.rows} cases"
        )
        remedy = "Mend `output_format` or `decoding.max_tokens` of the prompts: validation_answers.parquet says why."
        raise BrokenPromptsError(problem, remedy)


def _prompt_score(candidate: Candidate, side: pd.DataFrame, figure: float, layers: Mapping[str, float]) -> PromptScore:
    prompt_tokens, _ = mean_tokens(side)
    return PromptScore(
        candidate=candidate,
        rows=len(side),
        score=figure,
        format_adherence=format_adherence(side),
        prompt_tokens=prompt_tokens,
        cost_per_request=cost_per_request(side),
        failed=int((side["outcome"] == "failed").sum()),
        warnings=warnings(candidate.prompt, prompt_tokens, layers),
    )


def _order(tried: PromptScore) -> tuple[bool, float, float, float, str]:
    cost = float("inf") if tried.cost_per_request is None else tried.cost_per_request
    return tried.failed > 0, -round(tried.score, 9), cost, tried.prompt_tokens, tried.candidate.name
