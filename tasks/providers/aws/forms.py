"""How each family of base models wants its training file, and which hyperparameters it takes, as AWS documents them.

Bedrock User Guide: "Prepare data for fine-tuning your models", "Custom model hyperparameters", "Prepare data for
Amazon Nova models" (reinforcement), "Fine-tune Amazon Nova models with supervised fine-tuning". Read 2026-11-22.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.errors import ProviderRefusedError
from tasks.providers.aws.messages import UntranslatableError, conversation, system_of, text

Record = dict[str, Any]
NAMES = {"n_epochs": "epochCount", "batch_size": "batchSize", "learning_rate_multiplier": "learningRateMultiplier"}
PLAIN = frozenset({"epochCount", "batchSize", "learningRate"})
NOVA = frozenset({"epochCount", "learningRate", "learningRateWarmupSteps"})
TITAN = PLAIN | {"learningRateWarmupSteps"}
STOPPING = {"earlyStoppingThreshold", "earlyStoppingPatience"}
CLAUDE = frozenset({"epochCount", "batchSize", "learningRateMultiplier"}) | STOPPING
SAMPLING = {"maxPromptLength", "trainingSamplePerPrompt", "inferenceMaxTokens", "reasoningEffort", "evalInterval"}
GRADED = PLAIN | SAMPLING


@dataclass(frozen=True)
class Form:
    """One form of training file. `name` stands in the key of a converted file; "" leaves the file as it is."""

    name: str
    convert: Callable[[Record], Record]
    hyperparameters: frozenset[str]
    min_records: int = 10
    validates: bool = True  # a validation file is taken


def _conversation(record: Record) -> Record:
    """`bedrock-conversation-2024`: text turns; AWS documents no tools in it that every family trains on."""
    _refuse_tools(record)
    system = [{"text": words} for words in system_of(record["messages"])]
    about = {"schemaVersion": "bedrock-conversation-2024", **({"system": system} if system else {})}
    return {**about, "messages": conversation(_unweighted(record))}


def _claude(record: Record) -> Record:
    _refuse_tools(record)
    turns = [
        {"role": turn["role"], "content": "".join(block["text"] for block in turn["content"])}
        for turn in conversation(_unweighted(record))
    ]
    system = "\n\n".join(system_of(record["messages"]))
    return {**({"system": system} if system else {}), "messages": turns}


def completion(record: Record) -> Record:
    """A prompt and its completion: one question, the instructions leading it, and one answer."""
    _refuse_tools(record)
    *_, answer = messages = _unweighted(record)
    return {"prompt": prompt(messages[:-1]), "completion": text(answer)}


def prompt(messages: list[Record]) -> str:
    """Instructions and the one question as one text."""
    turns = conversation(messages)
    if [turn["role"] for turn in turns] != ["user"]:
        raise UntranslatableError("this base model trains on one question and one answer, and it has more turns")
    return "\n\n".join([*system_of(messages), *(block["text"] for block in turns[0]["content"])])


def preference(record: Record) -> Record:
    """`prompt`, `chosen` and `rejected` of direct preference optimisation."""
    _refuse_tools(record["input"])
    chosen, rejected = (record[name][0] for name in ("preferred_output", "non_preferred_output"))
    if chosen.get("tool_calls") or rejected.get("tool_calls"):
        raise UntranslatableError("an answer calls tools")
    return {"prompt": prompt(record["input"]["messages"]), "chosen": text(chosen), "rejected": text(rejected)}


def _as_it_is(record: Record) -> Record:
    return record


SUPERVISED = {
    r"amazon\.nova-2": Form("conversation", _conversation, NOVA, validates=False),
    r"amazon\.nova-": Form("conversation", _conversation, NOVA),
    r"meta\.llama3-[23]-": Form("conversation", _conversation, PLAIN),
    r"meta\.llama3-1-": Form("completion", completion, PLAIN),
    r"amazon\.titan-text-": Form("completion", completion, TITAN),
    r"anthropic\.claude-3-haiku": Form("claude", _claude, CLAUDE, min_records=32),
}
CHAT = Form("", _as_it_is, GRADED, min_records=100)  # reinforcement takes OpenAI's chat form only
CONVERSATION, COMPLETION, PREFERENCE, AS_IT_IS = (
    Form("conversation", _conversation, frozenset()),
    Form("completion", completion, frozenset()),
    Form("preference", preference, frozenset()),
    Form("", _as_it_is, frozenset()),
)
HYPERPARAMETERS = GRADED.union(*(form.hyperparameters for form in SUPERVISED.values()))
MADE = ("conversation", "completion", "claude", "preference")
CONVERTED = re.compile(rf"\.({'|'.join(MADE)})(?=\.jsonl$)")


def form_of(base_model: str, method: str) -> Form | None:
    """The form for a Bedrock base model, by its id or ARN; None where AWS documents none that is known here."""
    if method == "reinforcement":
        return CHAT
    name = base_model.rpartition("/")[2]
    return next((form for pattern, form in SUPERVISED.items() if re.match(pattern, name)), None)


def converted(content: bytes, form: Form, at_least: int) -> bytes:
    """The file in that form. Raises ProviderRefusedError naming the line that has no such form, and why."""
    lines = content.splitlines()
    if len(lines) < at_least:
        problem = f"the training file holds {len(lines)} records, and this base model asks for {at_least}"
        raise _refused(problem, "Add examples, or train another base model.")
    return b"".join(_line(number, line, form) for number, line in enumerate(lines, 1))


def converted_uri(uri: str, form: Form) -> str:
    """Address of a training file's conversion; that of the file itself where it is used as it is."""
    return f"{uri.removesuffix('.jsonl')}.{form.name}.jsonl" if form.name else uri


def versions(uri: str) -> list[str]:
    """Addresses of a training file and of all that may have been made of it."""
    return [uri, *(f"{uri.removesuffix('.jsonl')}.{name}.jsonl" for name in MADE)]


def original_uri(uri: str) -> str:
    """Address of the file that a conversion was made from."""
    return CONVERTED.sub("", uri)


def hyperparameters(given: Mapping[str, Any], form: Form) -> dict[str, Any]:
    """The given ones under AWS's names. Raises ProviderRefusedError for one that the base model does not take."""
    named = {NAMES.get(name, name): value for name, value in given.items() if value is not None}
    unknown = sorted(set(named) - form.hyperparameters)
    if unknown:
        taken = ", ".join(sorted(form.hyperparameters))
        raise _refused(f"this base model takes no {', '.join(unknown)}", f"Under fine_tune, it takes: {taken}.")
    return named


def _line(number: int, line: bytes, form: Form) -> bytes:
    try:
        record = form.convert(json.loads(line))
    except UntranslatableError as error:
        problem = str(error)
    except (ValueError, LookupError, TypeError):
        problem = "it is no chat record"
    else:
        return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    raise _refused(f"line {number} of the file: {problem}", "Train another base model, or leave such rows out.")


def _unweighted(record: Record) -> list[Record]:
    if any(message.get("weight") == 0 for message in record["messages"]):
        raise UntranslatableError("it has an answer that is not to be learned, and AWS trains on every one")
    return [{key: value for key, value in message.items() if key != "weight"} for message in record["messages"]]


def _refuse_tools(record: Mapping[str, Any]) -> None:
    roles = {message["role"] for message in record["messages"]}
    if record.get("tools") or "tool" in roles or any(message.get("tool_calls") for message in record["messages"]):
        raise UntranslatableError("it uses tools, which AWS documents no training on here")


def _refused(problem: str, remedy: str) -> ProviderRefusedError:
    return ProviderRefusedError("preparing the training job", "unsupported", f"{problem}; nothing was bought", remedy)
