"""A registered winner at work: from its decision record to requests, and from answers to what it says."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pandas as pd

from data_contracts.candidate import Candidate
from data_contracts.contract import Contract
from data_contracts.production import ProductionRecord
from data_contracts.provider import ProviderSettings
from data_contracts.use_case import TaskKind
from tasks.errors import ConfigurationError
from tasks.prompting.few_shot import FewShots
from tasks.prompting.prompt import Renderer
from tasks.providers.completions import Completed, ask, raise_first
from tasks.providers.connect import connect
from tasks.providers.protocol import AnswerEndpoint
from tasks.register import production_log

SHAPE = "a text, or a record with `input` or `messages` (and id, group, fields, tools as you like)"


@dataclass(frozen=True)
class Asked:
    """One question: chat messages of the user's, and what is logged of it beside."""

    messages: list[dict[str, Any]]
    text: str
    tools: str
    noted: dict[str, Any]

    @classmethod
    def of(cls, item: object) -> Self:
        """Raises ConfigurationError where it is neither."""
        record = {"input": item} if isinstance(item, str) else item
        if not isinstance(record, Mapping):
            raise ConfigurationError("predict", f"it was given {type(item).__name__}", f"Give {SHAPE}.")
        text, messages = record.get("input"), record.get("messages")
        if isinstance(text, str):
            messages = messages or [{"role": "user", "content": text}]
        elif not (isinstance(messages, list) and messages):
            raise ConfigurationError("predict", "a record has neither `input` nor `messages`", f"Give {SHAPE}.")
        said = [turn["content"] for turn in messages if turn.get("role") == "user"]
        tools = json.dumps({"tools": record["tools"]}, ensure_ascii=False) if record.get("tools") else ""
        given = {"input": text} if isinstance(text, str) else {"messages": messages}
        beside = {name: record[name] for name in ("id", "group", "fields") if record.get(name) is not None}
        return cls(
            list(messages), text if isinstance(text, str) else str(said[-1] if said else ""), tools, given | beside
        )


@dataclass(frozen=True)
class Winner:
    """One version: everything that an answer takes."""

    candidate: Candidate
    provider: ProviderSettings
    renderer: Renderer
    few_shots: FewShots | None
    version: int | None

    @classmethod
    def read(cls, decision: Path, examples: str | None, version: int | None) -> Self:
        """From decision.json; `examples` is the file of few-shot examples where the registry may hold it."""
        record = json.loads(decision.read_text(encoding="utf-8"))
        candidate = Candidate.model_validate(record["candidate"])
        renderer = Renderer(TaskKind(record["kind"]), Contract.model_validate(record["contract"]), record["labels"])
        wanted = candidate.prompt.few_shot.count > 0
        shots = FewShots(_rows(examples or record["train_examples"])) if wanted else None
        return cls(candidate, ProviderSettings.model_validate(record["provider"]), renderer, shots, version)

    def answer(self, items: Sequence[object]) -> list[str]:
        """One answer an item: label, canonical JSON or text; the raw answer where it cannot be parsed.

        Every answer, and every failure, is logged before the first failure is raised.
        """
        asked = [Asked.of(item) for item in items]
        if not asked:
            return []
        began = datetime.now(UTC)
        rule = self.candidate.prompt.few_shot
        shots = self.few_shots.choose([one.text for one in asked], rule) if self.few_shots else [[] for _ in asked]
        bodies = [
            self.renderer.request(self.candidate, one.messages, examples, one.tools)
            for one, examples in zip(asked, shots, strict=True)
        ]
        answers = ask(self._endpoint, bodies)
        production_log.append(self._logged(one, said, began) for one, said in zip(asked, answers, strict=True))
        raise_first(answers)
        return [self.renderer.parse(said.text, self.candidate.prompt) or said.text for said in answers]

    def _logged(self, asked: Asked, said: Completed, began: datetime) -> ProductionRecord:
        figures = {"prompt_tokens": said.prompt_tokens, "completion_tokens": said.completion_tokens}
        plain = {
            **asked.noted,
            **figures,
            "at": began,
            "output": None if said.error else said.text,
            "outcome": said.outcome or None,
            "latency_ms": round(said.latency_ms, 3),
            "model": self.candidate.model,
            "version": self.version,
        }
        return ProductionRecord.model_validate(plain)

    @property
    def _endpoint(self) -> AnswerEndpoint:
        """Looked up each time: a key may be changed, and the embedded provider may come back on another port."""
        return connect(self.provider).answer_endpoint()


def _rows(examples: str) -> pd.DataFrame:
    """The train rows that examples come from: in the registry, or where the text policy keeps them out, in the run."""
    if not Path(examples).is_file():
        problem = "is not here, and the use case's text policy keeps few-shot examples out of the registry"
        raise ConfigurationError(examples, problem, "Load the model where the trial ran, or bring that file there.")
    return pd.read_parquet(examples)
