"""What can answer: a model, a prompt, decoding parameters and a few-shot rule."""

import hashlib
from typing import Any, Literal

from pydantic import Field

from data_contracts.strict import Strict


class FewShot(Strict):
    """Which train rows stand in the prompt as examples; never a validation or test row."""

    count: int = Field(0, ge=0, le=64)
    choose: Literal["fixed", "similar"] = Field("fixed", description="similar: the nearest train rows to each input")


class Decoding(Strict):
    """How an answer is drawn."""

    temperature: float = Field(0.0, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1, description="None: not sent")
    max_tokens: int = Field(256, ge=1, description="At most so many tokens of answer")
    seed: int | None = 7


class Prompt(Strict):
    """A prompt in layers: role, rules, labels, output format, examples. One YAML file each."""

    name: str
    description: str = ""
    role: str = Field("", description="Who answers")
    rules: list[str] = Field(default_factory=list, description="Behaviour, edge cases, what not to do")
    labels: Literal["none", "names", "descriptions"] = Field("none", description="Classification: what is listed")
    output_format: str = Field("", description="What an answer looks like")
    structured: bool = Field(False, description="Ask for JSON by schema (extraction: the contract's schema)")
    reasoning: bool = Field(False, description="Let it think step by step first; only the answer after that counts")
    few_shot: FewShot = FewShot()
    decoding: Decoding = Decoding()

    @property
    def digest(self) -> str:
        """Hash of what reaches the model, whatever the prompt is called: its version."""
        unset: dict[str, Any] = {"name": True, "description": True}
        if not self.reasoning:  # a prompt of before these fields keeps its version
            unset["reasoning"] = True
        if self.decoding.top_p is None:
            unset["decoding"] = {"top_p"}
        content = self.model_dump_json(exclude=unset)
        return hashlib.sha256(content.encode()).hexdigest()[:16]


class Candidate(Strict):
    """One contestant of a trial, and all that is needed to let it answer again."""

    name: str = Field(description="champion, best-prompt, tune-minimal, tune-full, or base model/prompt in the search")
    kind: Literal["prompt", "tune"]
    model: str = Field(description="Name that a request asks for")
    base_model: str
    tuned_model: str = Field("", description="A tune's own name, which is not always that of its deployment")
    endpoint: str = Field("", description="Name under `endpoints` of where it answers; empty: `provider`")
    prompt: Prompt
    examples: str = Field("", description="sha256 of the file its few-shot examples come from; empty without any")
    training_data: Literal["known", "unknown"] = Field(
        "known", description="unknown: the tune was adopted, and may have learnt test rows"
    )

    @property
    def digest(self) -> str:
        """Hash of model, endpoint, prompt, decoding and few-shot examples, whatever the contestant is called."""
        content = [self.model, self.prompt.digest, *filter(None, (self.examples, self.endpoint))]
        return hashlib.sha256("\n".join(content).encode()).hexdigest()[:16]
