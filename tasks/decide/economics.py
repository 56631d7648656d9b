"""What a tune is worth against the best prompt, in money."""

import math
from dataclasses import dataclass

from data_contracts.contest import CandidateScores
from data_contracts.evidence import Interval
from data_contracts.gates import Economics
from data_contracts.worth import Payback, PaybackPoint

CURVE_POINTS = 25
VOLUME = "`economics.requests_per_month`"
LONGEST_CURVE = 4  # horizons; a payback beyond is said, not drawn


def payback(
    tune: CandidateScores,
    prompt: CandidateScores,
    training_cost: float | None,
    economics: Economics,
    saving: Interval | None = None,
) -> Payback:
    """Payback months = (training + data work) / (volume x saving per request - hosting), all in USD.

    Cost is per request (tokens x price), because a tune saves tokens as well as price. `saving` is its interval from
    the cases; without one the ranges are those of the stated volume alone. Where a price is unknown, there is no
    volume or nothing is saved, the figure is None and the notes say why.
    """
    unpriced = tune.cost_per_request is None or prompt.cost_per_request is None
    worth = _Worth(None if unpriced else saving or _saving(tune, prompt), training_cost, economics)
    return Payback(
        monthly_saving=worth.monthly.value if worth.monthly else None,
        one_off_cost=worth.one_off,
        payback_months=worth.months,
        break_even_requests_per_month=worth.break_even,
        notes=[*_unpriced(tune, prompt), *_untrained(worth), *_notes(worth)],
        saving_per_request=worth.saving,
        requests_per_month=worth.volume,
        hosting_per_month=economics.hosting_per_month,
        training_cost=training_cost,
        data_cost=worth.data_cost,
        monthly_saving_range=worth.monthly,
        payback_range=worth.months_range,
        curve=_curve(worth),
    )


def _saving(tune: CandidateScores, prompt: CandidateScores) -> Interval | None:
    if tune.cost_per_request is None or prompt.cost_per_request is None:
        return None
    saved = prompt.cost_per_request - tune.cost_per_request
    return Interval(value=saved, low=saved, high=saved)


@dataclass(frozen=True)
class _Worth:
    """The figures and what follows from them, in USD, requests and months."""

    saving: Interval | None
    training_cost: float | None
    economics: Economics

    @property
    def data_cost(self) -> float:
        return self.economics.data_hours * self.economics.hourly_rate

    @property
    def one_off(self) -> float | None:
        return None if self.training_cost is None else self.training_cost + self.data_cost

    @property
    def volume(self) -> Interval | None:
        """Requests a month with the stated range; None without any."""
        volume, spread = self.economics.requests_per_month, self.economics.requests_uncertainty
        return Interval(value=volume, low=volume * (1 - spread), high=volume * (1 + spread)) if volume else None

    @property
    def monthly(self) -> Interval | None:
        """Volume x saving - hosting; from the least to the most over the corners of both ranges."""
        if self.saving is None or self.volume is None:
            return None
        volumes, savings = (self.volume.low, self.volume.high), (self.saving.low, self.saving.high)
        corners = [volume * saved - self.economics.hosting_per_month for volume in volumes for saved in savings]
        value = self.volume.value * self.saving.value - self.economics.hosting_per_month
        return Interval(value=value, low=min(corners), high=max(corners))

    @property
    def months(self) -> float | None:
        return self._months_at(self.monthly.value) if self.monthly else None

    @property
    def months_range(self) -> tuple[float, float | None] | None:
        """At best and at worst; None where it pays back at no end of the range, or nobody knows."""
        best = self._months_at(self.monthly.high) if self.monthly else None
        return None if best is None or self.monthly is None else (best, self._months_at(self.monthly.low))

    def _months_at(self, monthly: float) -> float | None:
        return self.one_off / monthly if self.one_off is not None and monthly > 0 else None

    @property
    def break_even(self) -> float | None:
        """Requests a month from which the one-off cost and the hosting come back within the horizon."""
        if self.saving is None or self.saving.value <= 0 or self.one_off is None:
            return None
        return (self.one_off / self.economics.horizon_months + self.economics.hosting_per_month) / self.saving.value


def _curve(worth: _Worth) -> list[PaybackPoint]:
    """What it has brought in by each month, to the payback or the horizon, whichever is later."""
    one_off, monthly = worth.one_off, worth.monthly
    if one_off is None or monthly is None:
        return []
    horizon = worth.economics.horizon_months
    end = max(horizon, min(worth.months or 0.0, LONGEST_CURVE * horizon))
    months = [end * step / (CURVE_POINTS - 1) for step in range(CURVE_POINTS)]
    return [
        PaybackPoint(
            month=month,
            value=month * monthly.value - one_off,
            low=month * monthly.low - one_off,
            high=month * monthly.high - one_off,
        )
        for month in months
    ]


# ---------------------------------------------------------------- notes


def _unpriced(tune: CandidateScores, prompt: CandidateScores) -> list[str]:
    return [_unpriced_note(scores) for scores in (tune, prompt) if scores.cost_per_request is None]


def _unpriced_note(scores: CandidateScores) -> str:
    model, outcomes = scores.candidate.model, scores.outcomes
    if not sum(cases for outcome, cases in outcomes.items() if outcome not in ("failed", "rejected")):
        return f"No request to {model} was answered: no saving can be stated."
    return f"The price of {model} is unknown: no saving can be stated."


def _untrained(worth: _Worth) -> list[str]:
    """Where nothing is saved a month it never pays back, whatever training cost."""
    if worth.training_cost is not None:
        return []
    lost = worth.monthly is not None and worth.monthly.value <= 0
    return ["The training cost is unknown." if lost else "The training cost is unknown: no payback can be stated."]


def _notes(worth: _Worth) -> list[str]:
    notes = [
        _saving_note(worth.saving),
        _volume_note(worth),
        _one_off_note(worth),
        _months_note(worth),
        _break_even_note(worth),
    ]
    return [note for note in notes if note]


def _saving_note(saving: Interval | None) -> str:
    if saving is None:
        return ""
    less = f"A request costs {abs(saving.value):.6f} USD {'less' if saving.value >= 0 else 'more'} with the tune"
    return f"{less}." if saving.low == saving.high else f"{less} (saving {saving.low:.6f} to {saving.high:.6f})."


def _volume_note(worth: _Worth) -> str:
    if worth.volume is None:
        learn = "what the tune saves a month" if worth.one_off is None else "when the tune pays back"
        known = "No volume is given" if worth.saving is None else f"No volume is given: set {VOLUME} to learn {learn}"
        return f"{known}."
    if worth.monthly is None:
        return ""
    hosting = worth.economics.hosting_per_month
    paid = f", {_usd(hosting)} for hosting taken off" if hosting else ""
    if worth.monthly.value <= 0:
        more = f"The tune costs {_usd(-worth.monthly.value)} a month more than the prompt"
        return f"{more} at {worth.volume.value:,.0f} requests{paid}: it never pays back."
    return (
        f"At {worth.volume.low:,.0f} to {worth.volume.high:,.0f} requests a month it saves {_usd(worth.monthly.value)} "
        f"({_usd(worth.monthly.low)} to {_usd(worth.monthly.high)}){paid}."
    )


def _one_off_note(worth: _Worth) -> str:
    if worth.one_off is None or worth.months is None:
        return ""
    if worth.one_off == 0:
        return "Nothing is paid once: training cost nothing, and `economics.data_hours` states no work."
    hours = worth.economics.data_hours
    return (
        f"{_usd(worth.one_off)} is paid once: {_usd(worth.training_cost or 0.0)} for training, "
        f"{_usd(worth.data_cost)} for {hours:g} hours of data work."
    )


def _months_note(worth: _Worth) -> str:
    if worth.months_range is None:
        return ""
    best, worst = worth.months_range
    if worth.months is None:
        return f"At the best end of the ranges it would pay back in {best:.1f} months."
    when = "within" if worth.months <= worth.economics.horizon_months else "beyond"
    spread = "" if best == worst else f" ({best:.1f} at best, {'never' if worst is None else f'{worst:.1f}'} at worst)"
    return (
        f"It pays back in {worth.months:.1f} months, {when} the horizon of {worth.economics.horizon_months:g}{spread}."
    )


def _break_even_note(worth: _Worth) -> str:
    if worth.break_even is None or not worth.break_even:
        return ""
    horizon = worth.economics.horizon_months
    return f"From {math.ceil(worth.break_even):,} requests a month on it pays back within {horizon:g} months."


def _usd(amount: float) -> str:
    return f"{amount:,.2f} USD"
