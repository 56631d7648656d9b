"""Simulated trials through the real comparison and the real verdict: how often is a candidate promoted that is none?

Equal candidates first, where each promotion is a false one; then candidates that are better, where the share of
promotions stands beside the power that was planned.
"""

import gc
import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from rich.progress import Progress
from rich.table import Table
from scipy.special import expit
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint
from threadpoolctl import threadpool_limits

from data_contracts.candidate import Candidate, Prompt
from data_contracts.gates import Gates
from data_contracts.use_case import TaskKind
from tasks.decide.verdict import Standing, decide
from tasks.evaluate.compare import ComparisonPolicy, compare
from tasks.power import DISCORDANCE, POWER, cases_needed
from tests.bench.options import Options, console

SEED, PROCESSES, CHUNK = 20_261, 2, 25
RESAMPLES, PERMUTATIONS = 500, 999  # fewer than a trial's own, as there are so many of them
EASE, SPREAD, TASTE = 2.8, 2.8, 0.9  # logits: about 79 % right, two candidates differing on 20 % of cases
KINSHIP = 0.9  # share of a case's ease and taste, as variance, that it has in common with its group
FULL, PROMPT = ("champion", "best-prompt", "tune-minimal", "tune-full"), ("best-prompt", "tune-minimal")

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """A kind of trial. `gain` is what a tune is better by than the best prompt; 0: all are equal."""

    name: str
    trials: int
    names: Sequence[str] = FULL
    cases: int = 300
    group: int = 1  # cases of a group
    repeats: int = 1
    graded: bool = False
    clustered: bool = True  # whether the comparison is told of the groups
    gain: float = 0.0
    minimum_effect: float = 0.0  # 0: the error level alone guards


EQUAL = (
    Setting("right or wrong", 10_000),
    Setting("the same, 2 points asked for", 1_000, minimum_effect=0.02),
    Setting("groups of 3", 2_000, group=3),
    Setting("3 repeats a case", 2_000, cases=100, repeats=3),
    Setting("graded", 2_000, graded=True),
    Setting("groups of 3, taken as single cases", 1_000, group=3, clustered=False),
)
BETTER = tuple(
    Setting(f"{100 * gain:+g} points", 2_000, PROMPT, cases_needed(gain), gain=gain) for gain in (0.05, 0.10)
)


@dataclass(frozen=True)
class Outcome:
    """How one trial ended, and the power that it says it had to show the gain."""

    promoted: bool
    power: float | None


def bench(_: Options) -> None:
    """Both tables."""
    found = run([*EQUAL, *BETTER])
    shown = console()
    shown.print(_false_promotions({setting: found[setting] for setting in EQUAL}))
    shown.print(_power({setting: found[setting] for setting in BETTER}))


def run(settings: Sequence[Setting], processes: int = PROCESSES) -> dict[Setting, list[Outcome]]:
    """Every trial of every setting, in processes of one thread each; the order of their ends changes nothing."""
    chunks = [(setting, trials) for setting in settings for trials in _chunks(setting)]
    found: dict[Setting, list[Outcome]] = {setting: [] for setting in settings}
    spawn = multiprocessing.get_context("spawn")
    with (
        Progress(console=console(stderr=True)) as progress,
        ProcessPoolExecutor(processes, mp_context=spawn, initializer=_settle) as pool,
    ):
        bars = {setting: progress.add_task(setting.name, total=setting.trials) for setting in settings}
        waiting = {pool.submit(trials_of, setting, trials): setting for setting, trials in chunks}
        for done in as_completed(waiting):
            setting = waiting[done]
            found[setting] += done.result()
            progress.update(bars[setting], completed=len(found[setting]))
            if len(found[setting]) == setting.trials:
                progress.console.print(f"{setting.name}: {setting.trials} trials")
    return found


def trials_of(setting: Setting, trials: Iterable[int]) -> list[Outcome]:
    """These trials of a setting; a trial is its number, wherever and whenever it runs."""
    return [_trial(setting, number) for number in trials]


def _trial(setting: Setting, number: int) -> Outcome:
    draw = np.random.default_rng([SEED, *setting.name.encode(), number])
    candidates = [_candidate(name) for name in setting.names]
    comparison = compare(_answers(setting, _scores(setting, draw)), candidates, _policy(setting, number))
    named = {one.name: one for one in candidates}
    standing = Standing(named.get("champion"), named["best-prompt"])
    gates = Gates(minimum_effect=setting.minimum_effect, max_latency_ratio=None, min_format_adherence=0)
    verdict = decide(comparison, standing, gates)
    return Outcome(verdict.decision == "promote", comparison.tests[0].power)


# ---------------------------------------------------------------- what is simulated


def _scores(setting: Setting, draw: np.random.Generator) -> Scores:
    """Candidates x cases x repeats, 0 to 1."""
    if setting.gain:
        return _better(setting, draw)
    kin, own = np.sqrt(KINSHIP), np.sqrt(1 - KINSHIP)
    groups = np.arange(setting.cases) // setting.group

    def shared(rows: int) -> Scores:
        common = draw.normal(size=(rows, groups[-1] + 1))[:, groups]
        return common if setting.group == 1 else kin * common + own * draw.normal(size=(rows, setting.cases))

    chance = expit(EASE + SPREAD * shared(1) + TASTE * shared(len(setting.names)))[:, :, None]
    if setting.graded:
        return np.asarray(np.round(np.broadcast_to(chance, (*chance.shape[:2], setting.repeats)), 2))
    luck = draw.random((*chance.shape[:2], setting.repeats))
    if setting.group > 1:  # near-duplicates: what one of them meets, all do
        luck = draw.random((len(setting.names), groups[-1] + 1, setting.repeats))[:, groups]
    return np.asarray(luck < chance, dtype=np.float64)


def _better(setting: Setting, draw: np.random.Generator) -> Scores:
    """Two candidates that differ on the share of cases that planning assumes, the second better by the gain."""
    wins, losses = (DISCORDANCE + setting.gain) / 2, (DISCORDANCE - setting.gain) / 2
    ends = np.array([(0, 1), (1, 0), (1, 1), (0, 0)], dtype=np.float64)
    drawn = draw.choice(4, size=setting.cases, p=[wins, losses, 0.7, 0.3 - DISCORDANCE])
    return ends[drawn].T[:, :, None]


def _answers(setting: Setting, scores: Scores) -> pd.DataFrame:
    """ANSWER_COLUMNS: an answer is `yes` where it is right; a graded score stands as it is."""
    candidate, case, repeat = (axis.ravel() for axis in np.indices(scores.shape))
    flat = scores.ravel()
    return pd.DataFrame(
        {
            "candidate": np.array(setting.names, dtype=object)[candidate],
            "case": np.array([f"c{number:05}" for number in range(setting.cases)], dtype=object)[case],
            "output": "",
            "parsed": np.where(flat == 1, "yes", "no").astype(object),
            "outcome": "answered",
            "score": flat,
            "latency_ms": 100.0,
            "prompt_tokens": 50,
            "completion_tokens": 1,
            "cost": 0.001,
            "stored": False,
            "expected": "yes",
            "request": "",
            "repeat": repeat,
            "ttft_ms": np.nan,
            "confidence": np.nan,
        }
    )


def _policy(setting: Setting, number: int) -> ComparisonPolicy:
    groups = {f"c{case:05}": str(case // setting.group) for case in range(setting.cases)}
    return ComparisonPolicy(
        metric="custom" if setting.graded else "accuracy",
        kind=TaskKind.FREE_TEXT,  # nothing is counted label by label, which takes the time of a trial over again
        reference=setting.names[0],
        test_sha256="0" * 64,
        minimum_effect=setting.gain,
        seed=number,
        resamples=RESAMPLES,
        permutations=PERMUTATIONS,
        clusters=groups if setting.clustered and setting.group > 1 else {},
    )


def _candidate(name: str) -> Candidate:
    kind = "tune" if name.startswith("tune") else "prompt"
    return Candidate(name=name, kind=kind, model=f"model-of-{name}", base_model="base", prompt=Prompt(name="full"))


# ---------------------------------------------------------------- what is printed


def share(outcomes: Sequence[Outcome]) -> tuple[float, float, float]:
    """Of trials that ended in a promotion, with Wilson's 95 % interval."""
    promoted = sum(one.promoted for one in outcomes)
    low, high = proportion_confint(promoted, len(outcomes), method="wilson")
    return promoted / len(outcomes), float(low), float(high)


def exact_power(setting: Setting) -> float:
    """Chance that exact McNemar shows the gain, summed over the cases on which two candidates may differ.

    Planning takes the normal approximation, which the exact test stays a few hundredths below.
    """
    differing = np.arange(setting.cases + 1)
    least = binom.isf(Gates().alpha / 2, differing, 0.5) + 1  # wins that are too many to be chance
    shown = binom.sf(least - 1, differing, (DISCORDANCE + setting.gain) / 2 / DISCORDANCE)
    return float(binom.pmf(differing, setting.cases, DISCORDANCE) @ shown)


def _false_promotions(found: dict[Setting, list[Outcome]]) -> Table:
    table = Table("equal candidates", "trials", "cases", "false promotions", "95 % interval", "stated level, at most")
    for setting, outcomes in found.items():
        value, low, high = share(outcomes)
        interval = f"{100 * low:.2f} to {100 * high:.2f} %"
        level = f"{Gates().alpha:.0%}"
        table.add_row(setting.name, str(len(outcomes)), str(setting.cases), f"{100 * value:.2f} %", interval, level)
    return table


def _power(found: dict[Setting, list[Outcome]]) -> Table:
    table = Table(
        "a better tune", "trials", "cases", "promoted", "95 % interval", "exact test", "planned", "said after"
    )
    for setting, outcomes in found.items():
        value, low, high = share(outcomes)
        said = float(np.median([one.power for one in outcomes if one.power is not None]))
        interval = f"{low:.3f} to {high:.3f}"
        figures = (f"{value:.3f}", interval, f"{exact_power(setting):.3f}", f"{POWER:.3f}", f"{said:.3f}")
        table.add_row(setting.name, str(len(outcomes)), str(setting.cases), *figures)
    return table


def _chunks(setting: Setting) -> Iterator[range]:
    return (range(start, min(start + CHUNK, setting.trials)) for start in range(0, setting.trials, CHUNK))


def _settle() -> None:
    """One thread a process; and what was imported is not looked through for garbage trial by trial."""
    threadpool_limits(1)
    gc.freeze()
