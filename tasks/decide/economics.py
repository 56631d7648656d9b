"""What a tune is worth against the best prompt, in money."""

from data_contracts.contest import CandidateScores, Payback
from data_contracts.use_case import Economics


def payback(
    tune: CandidateScores, prompt: CandidateScores, training_cost: float | None, economics: Economics
) -> Payback:
    """Payback months = (training + data work) / (volume x saving per request - hosting), all in USD.

    Cost is per request (tokens x price), because a tune saves tokens as well as price. Where a price is unknown,
    there is no volume or nothing is saved, the figure is None and the notes say why.
    """
    one_off = None if training_cost is None else training_cost + economics.data_hours * economics.hourly_rate
    saved = _saved_per_request(tune, prompt)
    monthly = _monthly_saving(saved, economics)
    months = one_off / monthly if one_off is not None and monthly is not None and monthly > 0 else None
    return Payback(
        monthly_saving=monthly,
        one_off_cost=one_off,
        payback_months=months,
        break_even_requests_per_month=_break_even(saved, one_off, economics),
        notes=[*_unknown(tune, prompt, training_cost), *_notes(saved, monthly, months, economics)],
    )


def _saved_per_request(tune: CandidateScores, prompt: CandidateScores) -> float | None:
    if tune.cost_per_request is None or prompt.cost_per_request is None:
        return None
    return prompt.cost_per_request - tune.cost_per_request


def _monthly_saving(saved: float | None, economics: Economics) -> float | None:
    if saved is None or economics.requests_per_month == 0:
        return None
    return economics.requests_per_month * saved - economics.hosting_per_month


def _break_even(saved: float | None, one_off: float | None, economics: Economics) -> float | None:
    """Requests a month from which the one-off cost and the hosting come back within the horizon."""
    if saved is None or saved <= 0 or one_off is None:
        return None
    return (one_off / economics.horizon_months + economics.hosting_per_month) / saved


def _unknown(tune: CandidateScores, prompt: CandidateScores, training_cost: float | None) -> list[str]:
    unpriced = [scores.candidate.model for scores in (tune, prompt) if scores.cost_per_request is None]
    notes = [f"The price of {model} is unknown: no saving can be stated." for model in unpriced]
    return notes if training_cost is not None else [*notes, "The training cost is unknown: no payback can be stated."]


def _notes(saved: float | None, monthly: float | None, months: float | None, economics: Economics) -> list[str]:
    notes = []
    if saved is not None:
        notes.append(f"A request costs {abs(saved):.6f} USD {'less' if saved >= 0 else 'more'} with the tune.")
    if economics.requests_per_month == 0:
        notes.append("No volume is given: set `economics.requests_per_month` to learn when the tune pays back.")
    if monthly is not None and monthly <= 0:
        notes.append(f"The tune costs {-monthly:.2f} USD a month more than the prompt: it never pays back.")
    if months is not None:
        when = "within" if months <= economics.horizon_months else "beyond"
        notes.append(f"It pays back in {months:.1f} months, {when} the horizon of {economics.horizon_months:g}.")
    return notes
