"""Answers of one base model and its adapters: several greedy ones at once, those that are drawn each by itself."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from peft import PeftModel
from transformers import GenerationConfig

from tasks.providers.local.lora.loading import Network, Tokenizer, load_base, load_tokenizer, machine_of
from tasks.providers.local.lora.recipe import Recipe, UnusableError

_ADAPTERS = 4  # in memory at once

Tensor = Any  # torch is not typed here
Token = tuple[str, float, list[tuple[str, float]]]


@dataclass(frozen=True)
class Question:
    """What a request asks. `limit` None: as long as the settings let an answer be; `alternatives` None: no logprobs."""

    id: int
    adapter: str | None
    messages: list[dict[str, str]]
    temperature: float
    seed: int | None = None
    limit: int | None = None
    alternatives: int | None = None

    @property
    def company(self) -> tuple[object, ...]:
        """Questions of one company can be answered together; a drawn answer has none, so that its seed decides it."""
        return (self.adapter, None if self.temperature == 0 else self.id)


@dataclass(frozen=True)
class Answer:
    """`finished`: the model came to an end by itself."""

    prompt_tokens: int
    text: str
    tokens: list[Token]
    finished: bool


@dataclass
class Model:
    """A base model in memory, with the adapters that were asked for last."""

    recipe: Recipe
    tokenizer: Tokenizer
    network: Network
    ends: set[int]
    _adapters: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, recipe: Recipe) -> "Model":
        """Into memory. Raises UnusableError."""
        machine = machine_of(recipe)
        tokenizer = load_tokenizer(recipe)
        tokenizer.padding_side = "left"
        network = load_base(recipe, machine).eval()
        ends = network.generation_config.eos_token_id
        ends = {*(ends if isinstance(ends, list) else [ends]), tokenizer.eos_token_id} - {None}
        # the base model's own habits (top_k, repetition_penalty) would be parameters that nobody asked for
        network.generation_config = GenerationConfig(eos_token_id=sorted(ends), pad_token_id=tokenizer.pad_token_id)
        return cls(recipe, tokenizer, network, ends)

    def prompt(self, question: Question) -> list[int]:
        """Its tokens. Raises UnusableError where no room is left for an answer, or the template refuses a role."""
        options = {"add_generation_prompt": True, "return_dict": True, **self.recipe.template_options}
        try:
            tokens: list[int] = self.tokenizer.apply_chat_template(question.messages, **options)["input_ids"]
        except Exception as problem:  # a template is a program, and raises what it likes
            message = f"The chat template of {self.recipe.name} refuses these messages ({type(problem).__name__})."
            raise UnusableError("invalid_value", message) from None
        if len(tokens) >= self.recipe.context_tokens:
            message = f"This model takes at most {self.recipe.context_tokens} tokens; the messages have {len(tokens)}."
            raise UnusableError("context_length_exceeded", message)
        return tokens

    def answer(self, questions: Sequence[Question], prompts: Sequence[list[int]]) -> list[Answer]:
        """Answers to questions of one company."""
        limits = [self._limit(question, prompt) for question, prompt in zip(questions, prompts, strict=True)]
        lead = questions[0]
        if lead.seed is not None:
            torch.manual_seed(lead.seed)
        drawn = {"do_sample": True, "temperature": lead.temperature, "top_k": 0, "top_p": 1.0}
        batch = self.tokenizer.pad({"input_ids": list(prompts)}, return_tensors="pt").to(self.network.device)
        with torch.inference_mode(), self._wearing(lead.adapter):
            made = self.network.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                max_new_tokens=max(limits),
                return_dict_in_generate=True,
                output_logits=any(question.alternatives is not None for question in questions),
                **(drawn if lead.temperature else {"do_sample": False}),
            )
        rows = made.sequences[:, batch["input_ids"].shape[1] :].tolist()
        logits = torch.stack(made.logits, dim=1).float().log_softmax(-1) if made.logits else [None] * len(rows)
        return [
            self._answer(question, len(prompt), self._own(row, limit), odds)
            for question, prompt, limit, row, odds in zip(questions, prompts, limits, rows, logits, strict=True)
        ]

    def _limit(self, question: Question, prompt: list[int]) -> int:
        return min(question.limit or self.recipe.answer_tokens, self.recipe.context_tokens - len(prompt))

    def _own(self, row: list[int], limit: int) -> tuple[list[int], bool]:
        """Of a batch's row, the tokens of the answer itself; whether they came to an end."""
        end = next((position for position, token in enumerate(row[:limit]) if token in self.ends), None)
        return (row[:limit], False) if end is None else (row[:end], True)

    def _answer(
        self, question: Question, prompt_tokens: int, own: tuple[list[int], bool], odds: Tensor | None
    ) -> Answer:
        ids, finished = own
        pieces = self._pieces(ids)
        if question.alternatives is None or odds is None:
            shown: list[Token] = [(piece, 0.0, []) for piece in pieces]
        else:
            shown = [
                (piece, float(odds[at, token]), self._best(odds[at], question.alternatives))
                for at, (piece, token) in enumerate(zip(pieces, ids, strict=True))
            ]
        return Answer(prompt_tokens, "".join(pieces), shown, finished)

    def _best(self, odds: Tensor, count: int) -> list[tuple[str, float]]:
        values, ids = odds.topk(count)
        return [(self._text([int(token)]), float(value)) for value, token in zip(values, ids, strict=True)]

    def _pieces(self, ids: list[int]) -> list[str]:
        """The text each token adds; a character of several tokens comes with its last one."""
        pieces: list[str] = []
        text = ""
        for end in range(1, len(ids) + 1):
            whole = self._text(ids[:end])
            torn = whole.endswith("\ufffd") and end < len(ids)
            pieces.append("" if torn else whole[len(text) :])
            text = text if torn else whole
        return pieces

    def _text(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _wearing(self, adapter: str | None) -> AbstractContextManager[Any]:
        """The network as it answers with the adapter, or with none."""
        if adapter is None:
            return self.network.disable_adapter() if self._adapters else nullcontext()
        if adapter in self._adapters:
            self._adapters.remove(adapter)
        elif self._adapters:
            self.network.load_adapter(adapter, adapter_name=_slot(adapter))
        else:
            self.network = PeftModel.from_pretrained(self.network, adapter, adapter_name=_slot(adapter))
        self.network.set_adapter(_slot(adapter))
        self._adapters.append(adapter)
        if len(self._adapters) > _ADAPTERS:
            self.network.delete_adapter(_slot(self._adapters.pop(0)))
        return nullcontext()


def _slot(adapter: str) -> str:
    """A name that peft takes: it becomes part of a module's, where a dot would cut it in two."""
    return adapter.replace(".", "_").replace("/", "_")
