"""A finished trial as if everything had been measured: every optional document of the record is there."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from data_contracts.contest import Comparison, PromptSearch, Verdict
from data_contracts.evidence import FailureReport
from data_contracts.trial import TrialRecord
from data_contracts.worth import Effort, Recommendation

LABELS = ("fruit", "tools", "music", "ships")
TERMS = ("cello", "hammer")


def filled(record: TrialRecord) -> TrialRecord:
    """The record with realistic figures wherever one may be missing."""
    return replace(
        record,
        comparison=Comparison.model_validate(_comparison(record)),
        verdict=Verdict.model_validate(record.verdict.model_dump() | {"payback": PAYBACK}),
        search=PromptSearch.model_validate(_search(record)),
        failures=FailureReport.model_validate(_failures(record)),
        recommendation=Recommendation.model_validate(RECOMMENDATION),
        effort=Effort.model_validate(record.effort.model_dump() | {"optimiser": "gepa 0.1.4, 600 answers"}),
    )


def interval(value: float, arm: float) -> dict[str, float]:
    return {"value": value, "low": value - arm, "high": value + arm}


def _comparison(record: TrialRecord) -> dict[str, Any]:
    plain = record.comparison.model_dump()
    for rank, item in enumerate(plain["candidates"]):
        item.update(_scores(item["candidate"]["name"], item["metric"]["value"], rank))
    for test in plain["tests"]:
        test.update(test="exact McNemar", clusters=98, discordance=0.248, power=0.41)
    return plain | {
        "margins": _margins(),
        "judge": JUDGE,
        "notes": ["4 test cases were answered before the tune was trained; their latency is of that day."],
    }


def _scores(name: str, metric: float, rank: int) -> dict[str, Any]:
    label = {"cases": 26, "precision": metric, "recall": metric - 0.03, "f1": metric - 0.015}
    return {
        "slices": {
            "length": {"short": interval(metric, 0.06) | {"cases": 88}, "long": interval(metric - 0.1, 0.2)
                       | {"cases": 17}},
        },
        "exact_match": metric - 0.01,
        "by_label": {one: label | {"f1": metric - 0.05 * place} for place, one in enumerate(LABELS)},
        "further": {"chrf": metric - 0.04},
        "latency_p95_ms": 16.5 + rank,
        "ttft_p50_ms": 4.0 + rank,
        "ttft_p99_ms": 9.0 + rank,
        "stored": 0.04 * rank,
        "outcomes": {"answered": 103, "refused": 1, "truncated": 1},
        "consistency": {"repeats": 5, "cases": 50, "agreement": 0.97 - 0.02 * rank, "unstable": 2 + rank},
        "calibration": _calibration(rank),
        "general": _general(name) if name.startswith("tune") else None,
    }  # fmt: skip


def _calibration(rank: int) -> dict[str, Any]:
    bins = [
        {"confidence": 0.45 + 0.1 * place, "accuracy": 0.38 + 0.1 * place - 0.02 * rank, "cases": 4 + 9 * place}
        for place in range(5)
    ]
    return {"cases": 105, "expected_error": 0.071 + 0.01 * rank, "brier": 0.112, "bins": bins}


def _general(name: str) -> dict[str, Any]:
    figures = {"score": interval(0.81, 0.05), "base": interval(0.83, 0.05), "difference": interval(-0.02, 0.035)}
    return {"candidate": name, "base_model": "local-base-small", "cases": 200, **figures}


def _margins() -> list[dict[str, Any]]:
    pair = {"candidate": "tune-minimal", "reference": "best-prompt"}
    return [
        pair | {"name": "latency", "unit": "times", "figure": interval(1.14, 0.1)},
        pair | {"name": "cost", "unit": "times", "figure": interval(0.5, 0.01)},
        pair | {"name": "format", "unit": "points", "figure": interval(0.0, 0.01)},
        pair
        | {"reference": "local-base-small", "name": "general tasks", "unit": "points"}
        | {"figure": interval(-0.02, 0.035)},
        pair | {"candidate": "tune-full", "name": "cost", "unit": "times", "figure": None, "note": "no price is known"},
    ]


JUDGE = {
    "model": "judge-large",
    "criteria": "Correct first, then short, then friendly.",
    "pairs": [
        {
            "candidate": "tune-minimal",
            "reference": "best-prompt",
            "cases": 105,
            "wins": 48,
            "losses": 29,
            "ties": 28,
            "preference": interval(0.59, 0.07),
            "decided": interval(0.623, 0.1),
            "first_position": interval(0.56, 0.06),
            "consistent": 0.84,
            "p_value": 0.0396,
        }
    ],
    "human": {"cases": 60, "share": 0.82, "kappa": 0.63},
    "unreadable": 3,
}
PAYBACK: Mapping[str, Any] = {
    "monthly_saving": 84.5,
    "one_off_cost": 310.0,
    "payback_months": 3.67,
    "break_even_requests_per_month": 412_000.0,
    "notes": ["A request costs 0.000014 USD less with the tune.", "10 hours of data work at 31 USD are counted."],
    "saving_per_request": interval(0.00014, 0.00002),
    "requests_per_month": interval(750_000.0, 187_500.0),
    "hosting_per_month": 20.5,
    "training_cost": 0.07,
    "data_cost": 309.93,
    "monthly_saving_range": interval(84.5, 38.0),
    "payback_range": [2.53, None],
    "curve": [
        {"month": float(month), "value": 84.5 * month - 310, "low": 46.5 * month - 310, "high": 122.5 * month - 310}
        for month in range(13)
    ],
}
RECOMMENDATION = {
    "action": "tune",
    "sentence": "Use the tune with its short prompt, and ask again when the base model changes.",
    "rules": [
        {"name": "the prompt is at its limit", "fired": True, "figure": "12 prompts, best 82.5 %", "says": "Tune."},
        {"name": "facts change", "fired": False, "figure": "facts_change: never", "says": "Retrieve them."},
        {"name": "preferences differ", "fired": None, "figure": "no judge was asked", "says": "Preference-tune."},
    ],
}


def _search(record: TrialRecord) -> dict[str, Any]:
    plain = record.search.model_dump()
    first = plain["tried"][0]
    others = [
        first
        | {
            "score": 0.5 - 0.01 * n,
            "round": 1,
            "candidate": first["candidate"] | {"name": f"local-base-small/grid-{n}"},
        }
        for n in range(12)
    ]
    plain["tried"][0] |= {"round": 2, "warnings": ["6 few-shot examples, more than 5: fewer often do as well."]}
    notes = ["search_budget: 40 rows instead of 60."]
    return plain | {"tried": plain["tried"] + others, "optimiser": "gepa 0.1.4, 600 answers", "notes": notes}


def _failures(record: TrialRecord) -> dict[str, Any]:
    first = record.answers.loc[record.answers["repeat"] == 0]
    scores = first.pivot(index="case", columns="candidate", values="score")
    tune, prompt = scores["tune-minimal"] == 1, scores["best-prompt"] == 1
    candidates = [_failed(name, list(scores.index[scores[name] < 1]), len(scores)) for name in scores]
    disagreement = {
        "candidate": "tune-minimal",
        "reference": "best-prompt",
        "both_right": int((tune & prompt).sum()),
        "only_candidate": int((tune & ~prompt).sum()),
        "only_reference": int((~tune & prompt).sum()),
        "both_wrong": int((~tune & ~prompt).sum()),
        "won": list(scores.index[tune & ~prompt])[:20],
        "lost": list(scores.index[~tune & prompt])[:20],
    }
    return {"candidates": candidates, "disagreements": [disagreement]}


def _failed(name: str, cases: list[str], total: int) -> dict[str, Any]:
    alike, single = cases[: len(cases) // 2], cases[len(cases) // 2 :]
    shown = {"terms": list(TERMS), "expected": {"music": 3, "tools": 1}, "given": {"ships": 4}}
    return {
        "candidate": name,
        "cases": total,
        "failed": len(cases),
        "by_kind": {"consistency": 1, "systematic": len(cases) - 2, "judgement": 1},
        "by_outcome": {"answered": len(cases) - 2, "refused": 1, "truncated": 1},
        "remedies": ["Systematic: 100 or more examples of the right behaviour, then tune."],
        "clusters": [
            {"kind": "systematic", "cases": alike, **shown},
            {"kind": "judgement", "cases": single, "terms": []},
        ],
    }
