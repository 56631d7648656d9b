"""What is too much, or too little, in a prompt."""

from collections.abc import Mapping

from data_contracts.candidate import Prompt
from tasks.prompting.reasoning import LEAST_TOKENS

MAX_PROMPT_TOKENS = 2_000
MAX_EXAMPLES = 5


def warnings(prompt: Prompt, tokens: float, layers: Mapping[str, float] | None = None) -> list[str]:
    """Over 2,000 tokens, and in which layers (tokens by layer, as estimated); over 5 examples; no room to reason."""
    found = []
    if tokens > MAX_PROMPT_TOKENS:
        found.append(
            f"{tokens:,.0f} prompt tokens, more than {MAX_PROMPT_TOKENS:,}{_where(layers or {})}: shorten it, or let a "
            "tune learn it."
        )
    if prompt.few_shot.count > MAX_EXAMPLES:
        found.append(f"{prompt.few_shot.count} few-shot examples, more than {MAX_EXAMPLES}: fewer often do as well.")
    if prompt.reasoning and prompt.decoding.max_tokens < LEAST_TOKENS:
        found.append(
            f"decoding.max_tokens is {prompt.decoding.max_tokens}, which cuts reasoning off before its answer: "
            f"give it {LEAST_TOKENS} or more."
        )
    return found


def _where(layers: Mapping[str, float]) -> str:
    """The layers by their share, the largest first."""
    total = sum(layers.values())
    shares = sorted(((tokens / total, name) for name, tokens in layers.items() if tokens), reverse=True)
    told = ", ".join(f"{name} {share:.0%}" for share, name in shares)
    return f" (most of them in {shares[0][1]}: {told})" if shares else ""
