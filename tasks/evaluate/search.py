"""The best prompt: every variant on the same validation rows, ranked."""

from collections.abc import Sequence

import pandas as pd

from data_contracts.candidate import Candidate
from data_contracts.contest import PromptScore, PromptSearch
from data_contracts.use_case import TaskKind
from tasks.errors import TunegateError
from tasks.evaluate.measure import measure, overall, side_by_side
from tasks.evaluate.usage import cost_per_request, format_adherence, mean_tokens
from tasks.prompting.prompt import warnings

LEAST_FORMAT = 0.5  # a best prompt of fewer readable answers is broken, and beating it shows nothing


class BrokenPromptsError(TunegateError):
    """No variant answers well enough to be what a tune is compared with."""

    exit_code = 3

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem, self.remedy = problem, remedy

    def __str__(self) -> str:
        return f"The search found no prompt to compare a tune with: {self.problem}; nothing was trained. {self.remedy}"


def rank(answers: pd.DataFrame, candidates: Sequence[Candidate], metric: str, kind: TaskKind) -> PromptSearch:
    """Variants by the metric on validation, best first; on a tie the cheaper, then the one of fewer tokens.

    One with failed requests stands behind all others. Raises BrokenPromptsError where the best is no rival for a tune.
    """
    sides = side_by_side(answers, [candidate.name for candidate in candidates])
    figures = overall(measure(sides, metric, kind))
    tried = [
        _prompt_score(candidate, side, float(figure))
        for candidate, side, figure in zip(candidates, sides, figures, strict=True)
    ]
    tried.sort(key=_order)
    _refuse_broken(tried)
    return PromptSearch(metric=metric, tried=tried)


def _refuse_broken(tried: Sequence[PromptScore]) -> None:
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


def _prompt_score(candidate: Candidate, side: pd.DataFrame, figure: float) -> PromptScore:
    prompt_tokens, _ = mean_tokens(side)
    return PromptScore(
        candidate=candidate,
        rows=len(side),
        score=figure,
        format_adherence=format_adherence(side),
        prompt_tokens=prompt_tokens,
        cost_per_request=cost_per_request(side),
        failed=int((side["outcome"] == "failed").sum()),
        warnings=warnings(candidate.prompt, prompt_tokens),
    )


def _order(tried: PromptScore) -> tuple[bool, float, float, float, str]:
    cost = float("inf") if tried.cost_per_request is None else tried.cost_per_request
    return tried.failed > 0, -round(tried.score, 9), cost, tried.prompt_tokens, tried.candidate.name
