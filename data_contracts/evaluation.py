"""How candidates are asked and scored beyond the deciding metric: the `evaluation` section of a use-case file."""

from typing import Literal

from pydantic import Field

from data_contracts.strict import Strict


class Judge(Strict):
    """A model that reads two answers to the same input, in both orders, and says which is better."""

    model: str
    endpoint: str = Field("", description="Name under `endpoints` of where it answers; empty: `provider`")
    criteria: str = Field(min_length=10, description="What makes an answer better, as you would tell a colleague")
    max_cases: int = Field(200, ge=20, description="At most so many test cases are judged for each pair of candidates")
    max_tokens: int = Field(16, ge=1, description="Tokens of its verdict")
    human_labels: str | None = Field(
        None, description="JSONL of pairs that people judged: input, a, b, preferred (a, b or tie)"
    )


class General(Strict):
    """Tasks that a tune must not forget: asked of it and of its base model, without any of the prompts."""

    file: str = Field(description="JSONL: messages or input, and expected")
    match: Literal["exact", "contains"] = Field("exact", description="How an answer is right, case and space aside")
    max_tokens: int = Field(64, ge=1)


class Evaluation(Strict):
    """What is measured besides the deciding metric."""

    repeats: int = Field(1, ge=1, le=20, description="How often the same input is asked, to see whether answers vary")
    repeat_cases: int = Field(50, ge=1, description="So many test cases are asked again")
    logprobs: bool = Field(False, description="Ask for token probabilities, where the provider gives them: calibration")
    scorer: str | None = Field(
        None,
        description="Your own score, 0 to 1: module:function of (output, expected, input); its metric is `custom`",
    )
    judge: Judge | None = None
    general: General | None = None
