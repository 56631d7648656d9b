"""The rules of the recommendation, each with the figure it cites. A figure that is missing is said, never guessed."""

from collections.abc import Callable, Mapping

from data_contracts.evidence import FailureKind, Interval
from data_contracts.worth import FiredRule
from tasks.decide.readiness import FEW_EXAMPLES
from tasks.decide.recommend_case import RecommendCase
from tasks.prompting.bloat import MAX_EXAMPLES, MAX_PROMPT_TOKENS

FEW_FAILURES = 10  # of fewer no kind is called the usual one
ROUNDING = 1e-9

BEATS = "tune beats the best prompt"
BREAKS = "tune breaks a must-rule"
FORGETS = "tune forgets general tasks"
HYBRID = "full prompt helps the tune"
OPEN = "more cases are needed"
WINS = "challenger is promoted"
TARGET = "prompt reaches the target"
DONE = "nothing left to gain"
UNTRIED = "prompt means are untried"
PAYS = "pays back within the horizon"
PAYS_GATE = "pays back"  # the verdict's rule of that figure
FACTS = "facts change often"
FEW = "few training rows"
MOSTLY: Mapping[FailureKind, str] = {
    "consistency": "failures are mostly consistency",
    "systematic": "failures are mostly systematic",
    "judgement": "failures are mostly judgement",
}


def rules(case: RecommendCase) -> list[FiredRule]:
    """Every rule, fired or not, in the order in which a reader asks."""
    found = [rule(case) for rule in RULES]
    return [*found, *(_mostly(case, kind) for kind in MOSTLY)]


def _beats(case: RecommendCase) -> FiredRule:
    """Computed: the verdict's own margin, on the paired test."""
    says = "The tune answers better by a difference worth having."
    test = case.test(case.tune, case.prompt)
    if test is None:
        missing = "no tune took part" if case.tune is None else "no paired test of tune and best prompt"
        return FiredRule(name=BEATS, fired=None, figure=missing, says=says)
    found, gates = test.difference, case.gates
    figure = f"{test.candidate} {_points(found)} against {test.reference}, p = {test.p_adjusted:.2g}"
    fired = found.value >= gates.minimum_effect - ROUNDING and found.low > 0 and test.p_adjusted < gates.alpha
    return FiredRule(
        name=BEATS, fired=fired, figure=f"{figure}; asked for {100 * gates.minimum_effect:+.1f}", says=says
    )


def _breaks(case: RecommendCase) -> FiredRule:
    """Computed: latency, cost, format and general margins as the verdict judged them."""
    says = "Better answers do not make up for what has to hold besides."
    challenger = case.verdict.challenger
    if case.tune is None or challenger is None or challenger.digest != case.tune.candidate.digest:
        return FiredRule(name=BREAKS, fired=None, figure="the verdict is on no tune", says=says)
    must = [item for item in case.verdict.rules if item.tier == "must" and not item.name.startswith("beats")]
    broken = [f"{item.name}: {item.figure}" for item in must if not item.passed]
    figure = "; ".join(broken) or f"{len(must)} must-rules hold"
    return FiredRule(name=BREAKS, fired=bool(broken), figure=figure, says=says)


def _forgets(case: RecommendCase) -> FiredRule:
    """Computed; that too many epochs are the usual cause is advice."""
    says = "Train with fewer epochs or a lower rate, or mix general rows in."
    general, most = case.tune.general if case.tune else None, case.gates.max_general_loss
    if general is None or most is None:
        missing = "`evaluation.general` is not measured" if most is not None else "`gates.max_general_loss` is not set"
        return FiredRule(name=FORGETS, fired=None, figure=missing, says=says)
    figure = f"{_points(general.difference)} on {general.cases} general tasks; allowed {-100 * most:+.1f}"
    return FiredRule(name=FORGETS, fired=general.difference.value < -most - ROUNDING, figure=figure, says=says)


def _hybrid(case: RecommendCase) -> FiredRule:
    """Computed. A tune for the form with the prompt for the rules: that mix is advice."""
    says = "The tune answers better with the full prompt than with the short one: keep both."
    full, minimal = case.named("tune-full"), case.named("tune-minimal")
    if full is None or minimal is None:
        return FiredRule(name=HYBRID, fired=None, figure="not both tunes took part", says=says)
    gain = full.metric.value - minimal.metric.value
    figure = f"tune-full {full.metric.value:.3f}, tune-minimal {minimal.metric.value:.3f} ({100 * gain:+.1f} points)"
    return FiredRule(name=HYBRID, fired=gain >= case.gates.minimum_effect - ROUNDING, figure=figure, says=says)


def _open(case: RecommendCase) -> FiredRule:
    """Computed."""
    needed, cases = case.verdict.cases_needed, case.winner.cases
    is_open = case.verdict.decision == "not enough evidence"
    about = f"about {needed:,} in all would settle it" if needed else "no number of cases is known to settle it"
    figure = f"{cases:,} test cases; {about}" if is_open else f"{cases:,} test cases: {case.verdict.decision}"
    return FiredRule(name=OPEN, fired=is_open, figure=figure, says="Measure more before anything else is bought.")


def _wins(case: RecommendCase) -> FiredRule:
    """Computed: the verdict."""
    says = "What was shown to be better goes into production."
    margins = [f"{item.name}: {item.figure}" for item in case.verdict.rules if item.name.startswith("beats")]
    promoted = case.verdict.decision == "promote"
    return FiredRule(name=WINS, fired=promoted, figure="; ".join(margins) or "nothing was tried against it", says=says)


def _target(case: RecommendCase) -> FiredRule:
    """Stated: the use case's own target."""
    says = "What was asked for is reached without a tune."
    target = case.gates.min_score
    if target is None or case.prompt is None:
        missing = "`gates.min_score` is not set" if target is None else "no prompt took part"
        return FiredRule(name=TARGET, fired=None, figure=missing, says=says)
    score = case.prompt.metric.value
    figure = f"{case.comparison.metric} {score:.3f}; `gates.min_score` is {target:g}"
    return FiredRule(name=TARGET, fired=score >= target - ROUNDING, figure=figure, says=says)


def _done(case: RecommendCase) -> FiredRule:
    """Computed: what is missing to a perfect score is less than a difference worth having."""
    left = 1 - case.winner.metric.value
    figure = f"{case.comparison.metric} {case.winner.metric.value:.3f} leaves {100 * left:.1f} points"
    effect = case.gates.minimum_effect
    says = f"No candidate could be better by the minimum effect of {100 * effect:.1f} points."
    return FiredRule(name=DONE, fired=left < effect - ROUNDING, figure=figure, says=says)


def _untried(case: RecommendCase) -> FiredRule:
    """Advice: a prompt is maxed out after variants, examples, reasoning and a schema were tried."""
    tried = f"{len({item.candidate.prompt.digest for item in case.search.tried})} prompts tried"
    figure = f"{tried}; not tried: {', '.join(case.untried)}" if case.untried else f"{tried}, with every means"
    says = "A better prompt costs less than a tune: try what was left out first."
    return FiredRule(name=UNTRIED, fired=bool(case.untried), figure=figure, says=says)


def _bloat(case: RecommendCase) -> FiredRule:
    """Advice: 2,000 tokens and 5 examples. What the tokens cost is computed, see "tune is cheaper"."""
    says, name = "Shorten the prompt first; what is still needed then, a tune can learn.", "prompt bloat"
    if case.prompt is None:
        return FiredRule(name=name, fired=None, figure="no prompt took part", says=says)
    tokens, shots = case.prompt.prompt_tokens, case.prompt.candidate.prompt.few_shot.count
    figure = f"{tokens:,.0f} tokens and {shots} examples; {MAX_PROMPT_TOKENS:,} and {MAX_EXAMPLES} are called too much"
    return FiredRule(name=name, fired=tokens > MAX_PROMPT_TOKENS or shots > MAX_EXAMPLES, figure=figure, says=says)


def _faster(case: RecommendCase) -> FiredRule:
    """Computed: measured on the same cases, since published gains a token differ by a factor of ten and more."""
    says, name = "Users wait less with the tune.", "tune is faster"
    if case.tune is None or case.prompt is None:
        return FiredRule(name=name, fired=None, figure="not both tune and prompt took part", says=says)
    pair = case.tune.candidate.name, case.prompt.candidate.name
    margins = [item for item in case.comparison.margins if (item.candidate, item.reference) == pair]
    found = next((item.figure for item in margins if item.name == "latency"), None)
    if found is None:
        return FiredRule(name=name, fired=None, figure="no latency margin of tune and best prompt", says=says)
    figure = f"{found.value:.2f} times the prompt's latency ({found.low:.2f} to {found.high:.2f})"
    return FiredRule(name=name, fired=found.high < 1, figure=figure, says=says)


def _cheaper(case: RecommendCase) -> FiredRule:
    """Computed: a request's cost, tokens times price; never prices alone."""
    found = case.worth and case.worth.saving_per_request
    figure = f"{found.value:.6f} USD saved a request ({found.low:.6f} to {found.high:.6f})" if found else "cost unknown"
    fired = found.low > 0 if found else None
    return FiredRule(name="tune is cheaper", fired=fired, figure=figure, says="Each request costs less with the tune.")


def _pays(case: RecommendCase) -> FiredRule:
    """Computed; the horizon is the use case's own, for published ones run from one to six months."""
    says = "The money comes back: the tune costs nothing in the end."
    worth, horizon = case.worth, case.economics.horizon_months
    if worth is None or worth.monthly_saving is None or worth.one_off_cost is None:
        missing = " ".join(worth.notes) if worth else "no tune to pay for"
        return FiredRule(name=PAYS, fired=None, figure=missing, says=says)
    months = worth.payback_months
    back = f"never: {worth.monthly_saving:,.2f} USD a month" if months is None else f"{months:.1f} months"
    fired = months is not None and months <= horizon
    return FiredRule(name=PAYS, fired=fired, figure=f"{back}; the horizon is {horizon:g}", says=says)


def _volume(case: RecommendCase) -> FiredRule:
    """Computed here: published lines (50,000 requests a month and others) hold for somebody else's prices."""
    says, name = "At such a volume a tune rarely pays.", "volume is under break-even"
    worth, volume = case.worth, case.economics.requests_per_month
    if worth is None or not volume or worth.monthly_saving is None or worth.one_off_cost is None:
        missing = (
            "`economics.requests_per_month` is not set" if not volume else "a cost is unknown, or no tune took part"
        )
        return FiredRule(name=name, fired=None, figure=missing, says=says)
    even = worth.break_even_requests_per_month
    line = "no volume breaks even, for a request saves nothing" if even is None else f"break-even is {even:,.0f}"
    figure = f"{volume:,.0f} requests a month; {line}"
    return FiredRule(name=name, fired=even is None or volume < even, figure=figure, says=says)


def _facts(case: RecommendCase) -> FiredRule:
    """Advice, shared by all that was published: a tune teaches form, not facts."""
    change = case.economics.facts_change
    says = "Facts belong into retrieval: a tune and a prompt would both go stale."
    return FiredRule(name=FACTS, fired=change == "often", figure=f"`economics.facts_change` is {change}", says=says)


def _few(case: RecommendCase) -> FiredRule:
    """Advice: published minima run from 50 to 1,000 rows; under 200 a tune is said to make models worse."""
    says = "Collect rows before a tune is bought."
    if case.train_rows is None:
        return FiredRule(name=FEW, fired=None, figure="the number of training rows is unknown", says=says)
    figure = f"{case.train_rows:,} training rows; under {FEW_EXAMPLES} is called few"
    return FiredRule(name=FEW, fired=case.train_rows < FEW_EXAMPLES, figure=figure, says=says)


RULES: tuple[Callable[[RecommendCase], FiredRule], ...] = (
    _facts,
    _wins,
    _open,
    _beats,
    _breaks,
    _forgets,
    _hybrid,
    _target,
    _done,
    _untried,
    _bloat,
    _faster,
    _cheaper,
    _pays,
    _volume,
    _few,
)

SAYS: Mapping[FailureKind, str] = {
    "consistency": "A schema and temperature 0 make answers steady.",
    "systematic": "The same clear mistakes can be taught away by examples of them.",
    "judgement": "Answers that can be defended are settled by preferences, not by more labels.",
}


def _mostly(case: RecommendCase, kind: FailureKind) -> FiredRule:
    """Computed; which remedy goes with which kind is advice."""
    name = case.winner.candidate.name
    found = next((item for item in case.failures.candidates if item.candidate == name), None)
    if found is None:
        return FiredRule(name=MOSTLY[kind], fired=None, figure=f"no failures of {name} at hand", says=SAYS[kind])
    cases, known = found.by_kind.get(kind, 0), sum(found.by_kind.values())
    figure = f"{cases} of {known} failing cases of {name}"
    fired = known >= FEW_FAILURES and cases > known / 2
    return FiredRule(name=MOSTLY[kind], fired=fired, figure=figure, says=SAYS[kind])


def _points(found: Interval) -> str:
    return f"{100 * found.value:+.1f} points ({100 * found.low:+.1f} to {100 * found.high:+.1f})"
