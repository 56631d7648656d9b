"""What to do next, beyond the verdict on these candidates: one action, its main reason, the next step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from data_contracts.worth import FiredRule, Recommendation
from tasks.decide import recommend_rules as named
from tasks.decide.recommend_case import FEW_VARIANTS, RecommendCase

Action = Literal["prompt", "tune", "hybrid", "retrieve", "preference-tune", "stop"]

SETTINGS = {
    f"{FEW_VARIANTS} variants": "further files under `prompts.folder`",
    "few-shot examples": "`prompts.grid.few_shot: [{count: 5, choose: similar}]`",
    "reasoning": "`prompts.grid.reasoning: [true]`",
    "schema": "`prompts.grid.structured: [true]`",
}
MONEY = "set `economics.requests_per_month` and what is unknown of `provider.prices`"
STEPS: Mapping[tuple[str, bool | None], str] = {
    ("general tasks", False): "add tasks to the file of `evaluation.general`",
    ("general tasks", None): "let tune and base model both answer `evaluation.general`: serve the base too",
    ("latency", None): "have answers timed in this run (raise `evaluation.repeats`, or `provider.batch: false`)",
    ("cost", None): "state the price in `provider.prices`",
    (named.PAYS_GATE, None): MONEY,
    (named.PAYS_GATE, False): MONEY,
    ("consistency", None): "ask cases several times (`evaluation.repeats`)",
    ("judge agreement", None): "give pairs that people judged (`evaluation.judge.human_labels`)",
}
"""What settles an open must-rule, by name and whether it was measured; all others are settled by test rows."""

AGAINST = {named.PAYS: "it does not pay back in time ({})", named.UNTRIED: "the prompt was not given every means ({})"}


@dataclass(frozen=True)
class _Found:
    """The case and its rules by name."""

    case: RecommendCase
    rules: Mapping[str, FiredRule]

    def fired(self, *names: str) -> bool:
        """Whether every one of these rules fired; a missing figure fires nothing."""
        return all(self.rules[name].fired is True for name in names)

    @property
    def promotes(self) -> bool:
        return self.case.verdict.decision == "promote"

    @property
    def tune_stands(self) -> bool:
        return self.case.verdict.winner.kind == "tune"


@dataclass(frozen=True)
class _Choice:
    """An action, when it is taken, what is said of it, the rule that is its main reason, and the next step."""

    action: Action | None  # None: what stands, prompt or tune
    when: Callable[[_Found], bool]
    says: str
    reason: str
    step: Callable[[RecommendCase], str]


def recommend(case: RecommendCase) -> Recommendation:
    """The first choice whose condition holds, with every rule and its figure. CHOICES says the order and why."""
    rules = named.rules(case)
    found = _Found(case, {rule.name: rule for rule in rules})
    choice = next(choice for choice in CHOICES if choice.when(found))
    winner, reason = case.winner.candidate, found.rules[choice.reason]
    says = choice.says.format(winner=winner.name, model=winner.model)
    return Recommendation(
        action=choice.action or winner.kind,
        sentence=f"{says}: {reason.figure}.{_against(found)} Next: {choice.step(case)}.",
        rules=rules,
    )


def _against(found: _Found) -> str:
    """What speaks against a tune that has just won, for whoever signs: money, and prompts that nobody tried."""
    if not (found.promotes and found.tune_stands):
        return ""
    speaks = [
        name for name, counts in ((named.PAYS, False), (named.UNTRIED, True)) if found.rules[name].fired is counts
    ]
    told = "; ".join(AGAINST[name].format(found.rules[name].figure) for name in speaks)
    return f" Against it: {told}." if told else ""


# ---------------------------------------------------------------- next steps


def _again(case: RecommendCase) -> str:
    return f"`tunegate run {case.use_case}`"


def _prompts_again(case: RecommendCase) -> str:
    return f"`tunegate run {case.use_case} --no-train`"


def _retrieve(case: RecommendCase) -> str:
    return f"look the facts up at request time, put what was found into the inputs of `source`, then {_again(case)}"


def _hold_money(case: RecommendCase) -> str:
    return f"`tunegate rollback {case.use_case}`, and set `gates.tiers: {{{named.PAYS_GATE}: must}}` for the next trial"


def _watch(case: RecommendCase) -> str:
    return "`tunegate watch` says when its base model changes, and what would replace it"


def _monitor(case: RecommendCase) -> str:
    answers = f"load `models:/tunegate.{case.use_case}@champion`"
    return f"{answers}, and `tunegate monitor {case.use_case}` holds it to these figures (`monitor.sources`)"


def _measure(case: RecommendCase) -> str:
    failed = sum(item.outcomes.get("failed", 0) for item in case.comparison.candidates)
    if failed:
        return f"{_again(case)} asks again for the {failed:,} answers that failed, and for nothing else"
    missing = [item for item in case.verdict.rules if item.tier == "must" and not item.passed]
    steps = [STEPS.get((item.name, item.passed)) or _more_rows(case) for item in missing] or [_more_rows(case)]
    return f"{'; '.join(dict.fromkeys(steps))}; then {_again(case)}"


def _more_rows(case: RecommendCase) -> str:
    needed = case.verdict.cases_needed
    if needed is None:
        return "add test rows (`split.test`) or raise `gates.minimum_effect`"
    missing = needed - case.winner.cases
    if missing <= 0:  # a judge read fewer of the test cases than there are
        return "raise `evaluation.judge.max_cases`"
    return f"add {missing:,} test rows (`split.test`, or more rows in `source`)"


def _forget_less(case: RecommendCase) -> str:
    return f"a lower `fine_tune.n_epochs`, or general rows in `source`, then {_again(case)}"


def _mend_gate(case: RecommendCase) -> str:
    return f"mend what is named (a smaller `fine_tune.base_model`, a shorter `prompts.minimal`), then {_again(case)}"


def _try_means(case: RecommendCase) -> str:
    return f"{', '.join(SETTINGS[name] for name in case.untried)}, then {_prompts_again(case)}"


def _steady(case: RecommendCase) -> str:
    return f"`structured: true` and `decoding.temperature: 0` in the prompt file, then {_prompts_again(case)}"


def _prefer(case: RecommendCase) -> str:
    return f"collect pairs (`mapping.rejected`) and set `fine_tune.method: dpo`, then {_again(case)}"


def _collect(case: RecommendCase) -> str:
    return f"label rows like the clusters of failing inputs and add them to `source`, then {_again(case)}"


def _buy(case: RecommendCase) -> str:
    if case.winner.candidate.kind == "tune":  # the same rows once more would teach the same
        return _collect(case)
    return f"`tunegate estimate {case.use_case}` says what it costs, {_again(case)} buys and tries it"


# ---------------------------------------------------------------- the order


CHOICES = (
    # Facts go stale in a tune and in a prompt alike, whoever won today.
    _Choice(
        "retrieve", lambda it: it.fired(named.FACTS), "Look facts up instead of teaching them", named.FACTS, _retrieve
    ),
    # A promoted tune that does not pay is not needed where the prompt does what was asked for.
    _Choice(
        "prompt",
        lambda it: it.promotes and it.tune_stands and it.fired(named.TARGET) and it.rules[named.PAYS].fired is False,
        "Go back to the prompt, which reaches the target: the tune is better and does not pay back in time",
        named.PAYS,
        _hold_money,
    ),
    # What has just been shown to be better goes into production.
    _Choice(
        "hybrid",
        lambda it: it.promotes and it.case.winner.candidate.name == "tune-full" and it.fired(named.HYBRID),
        "Use {winner}, the tune for the form with the full prompt for the rules",
        named.HYBRID,
        _monitor,
    ),
    _Choice("tune", lambda it: it.promotes and it.tune_stands, "Use {winner} ({model})", named.BEATS, _monitor),
    _Choice("prompt", lambda it: it.promotes, "Use {winner}, a prompt on {model}", named.WINS, _watch),
    # Nothing else is bought on an open question.
    _Choice(None, lambda it: it.fired(named.OPEN), "Stay with {winner} and measure more", named.OPEN, _measure),
    # From here on the verdict is keep: is there anything to mend, and by the cheapest means first?
    _Choice(
        "prompt",
        lambda it: not it.tune_stands and it.fired(named.TARGET),
        "Stay with {winner}, which reaches the target",
        named.TARGET,
        _watch,
    ),
    _Choice("stop", lambda it: it.fired(named.DONE), "Stop: {winner} leaves nothing to gain", named.DONE, _watch),
    _Choice(
        "tune",
        lambda it: it.fired(named.BEATS, named.FORGETS),
        "Tune again, more gently: the tune is better and forgets too much",
        named.FORGETS,
        _forget_less,
    ),
    _Choice(
        None,
        lambda it: it.fired(named.BEATS, named.BREAKS),
        "Stay with {winner}: the tune is better and breaks a rule that must hold",
        named.BREAKS,
        _mend_gate,
    ),
    _Choice(
        "prompt",
        lambda it: not it.tune_stands and it.fired(named.UNTRIED),
        "Stay with {winner} and give the prompt what it was not given",
        named.UNTRIED,
        _try_means,
    ),
    _Choice(
        "prompt",
        lambda it: it.fired(named.MOSTLY["consistency"]),
        "Mend the prompt: most failing answers have no steady form",
        named.MOSTLY["consistency"],
        _steady,
    ),
    _Choice(
        "preference-tune",
        lambda it: it.fired(named.MOSTLY["judgement"]),
        "Tune on preferences, or let the label guide decide: most failing answers can be defended",
        named.MOSTLY["judgement"],
        _prefer,
    ),
    _Choice(
        "stop",
        lambda it: it.fired(named.MOSTLY["systematic"], named.FEW),
        "Stop until there are more rows: a tune could teach these cases away, on more examples",
        named.FEW,
        _collect,
    ),
    # A tune that was tried and lost is not bought again as it was.
    _Choice(
        "tune",
        lambda it: it.fired(named.MOSTLY["systematic"]) and (it.case.tune is None or it.tune_stands),
        "Tune on cases like those that fail again and again",
        named.MOSTLY["systematic"],
        _buy,
    ),
    _Choice("stop", lambda _: True, "Stop with {winner}: nothing that was tried is better", named.BEATS, _watch),
)
