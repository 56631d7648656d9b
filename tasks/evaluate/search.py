"""The best prompt: every variant on the same validation rows, ranked."""

from collections.abc import Sequence

import pandas as pd

from data_contracts.candidate import Candidate
from data_contracts.contest import PromptScore, PromptSearch
from data_contracts.use_case import TaskKind
from tasks.evaluate.measure import measure, overall, side_by_side
from tasks.evaluate.usage import cost_per_request, format_adherence, mean_tokens
from tasks.prompting.prompt import warnings


def rank(answers: pd.DataFrame, candidates: Sequence[Candidate], metric: str, kind: TaskKind) -> PromptSearch:
    """Variants by the metric on validation, best first; on a tie the cheaper, then the one of fewer tokens."""
    sides = side_by_side(answers, [candidate.name for candidate in candidates])
    figures = overall(measure(sides, metric, kind))
    tried = [
        _prompt_score(candidate, side, float(figure))
        for candidate, side, figure in zip(candidates, sides, figures, strict=True)
    ]
    return PromptSearch(metric=metric, tried=sorted(tried, key=_order))


def _prompt_score(candidate: Candidate, side: pd.DataFrame, figure: float) -> PromptScore:
    prompt_tokens, _ = mean_tokens(side)
    return PromptScore(
        candidate=candidate,
        rows=len(side),
        score=figure,
        format_adherence=format_adherence(side),
        prompt_tokens=prompt_tokens,
        cost_per_request=cost_per_request(side),
        warnings=warnings(candidate.prompt, prompt_tokens),
    )


def _order(tried: PromptScore) -> tuple[float, float, float, str]:
    cost = float("inf") if tried.cost_per_request is None else tried.cost_per_request
    return -round(tried.score, 9), cost, tried.prompt_tokens, tried.candidate.name
