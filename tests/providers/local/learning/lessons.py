"""Small worlds to learn: made-up mails with what they ask for and what stands in them, and requests about them."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

from tasks.providers.local import trainer
from tasks.providers.local.learner import Answerer
from tasks.providers.local.learning.reply import Reply

LARGE, SMALL = "local-base-large-2026-06-01", "local-base-small-2026-06-01"
Pair = tuple[str, str]
Message = dict[str, str]

TOPICS = {
    "late_parcel": ["my parcel is late", "the delivery never arrived", "still waiting for the courier"],
    "refund": ["I want my money back", "please pay back what I paid", "the refund is missing"],
    "damage": ["it arrived broken", "the glass is cracked", "it came with a scratch and a dent"],
    "password": ["I forgot my password", "I cannot log in", "my account is locked"],
}
DESCRIPTIONS = {
    "late_parcel": "A parcel, delivery or courier that is late or never arrived",
    "refund": "Money back, a refund that is missing or should be paid",
    "damage": "Something that is broken, cracked, or came with a scratch",
    "password": "Password, log in, locked account",
}
SEEN = {"first": ["Anna", "Ben", "Carla", "David"], "last": ["Miller", "Novak", "Rossi"], "prefix": ["ORD", "AB"]}
UNSEEN = {"first": ["Priya", "Quentin"], "last": ["Okafor", "Yamada"], "prefix": ["ZX", "KLM"]}


def mails(count: int, seed: int) -> list[Pair]:
    """(text, topic)."""
    chance = random.Random(seed)
    openings = ["Hello,", "Hi there,", "Good morning,", ""]
    endings = ["Please help.", "What now?", "Thanks.", "Kind regards."]
    topics = [list(TOPICS)[at % len(TOPICS)] for at in range(count)]
    return [(f"{chance.choice(openings)} {chance.choice(TOPICS[t])}. {chance.choice(endings)}", t) for t in topics]


def orders(count: int, seed: int, world: dict[str, list[str]]) -> list[Pair]:
    """(text, JSON object): values copied from the text, one of them a number, one of them at times null, and a flag."""
    chance = random.Random(seed)
    return [_order(chance, world) for _ in range(count)]


def _order(chance: random.Random, world: dict[str, list[str]]) -> Pair:
    name = f"{chance.choice(world['first'])} {chance.choice(world['last'])}"
    code = f"{chance.choice(world['prefix'])}-{chance.randint(10_000, 99_999)}"
    amount, urgent = chance.randint(500, 200_000) / 100, chance.random() < 0.5
    phone = f"+44 {chance.randint(1000, 9999)} {chance.randint(1000, 9999)}" if chance.random() < 0.5 else None
    day, month = chance.randint(1, 28), chance.choice(["March", "June", "October"])
    date = f"2024-{ {'March': 3, 'June': 6, 'October': 10}[month]:02}-{day:02}"
    parts = [
        f"my name is {name}.",
        chance.choice([f"On {day} {month} 2024 I placed order {code}.", f"Order {code} is of {day} {month} 2024."]),
        chance.choice([f"I paid ${amount:,.2f} for it.", f"The charge was ${amount:,.2f}."]),
        f"Call me on {phone}." if phone else "",
        chance.choice(["This is urgent!", "Please hurry."]) if urgent else "No hurry at all.",
    ]
    answer = {"customer": name, "order": {"code": code, "date": date}, "amount": amount, "phone": phone}
    return "Hello, " + " ".join(filter(None, parts)), json.dumps({**answer, "urgent": urgent})


def letters(count: int, seed: int, world: dict[str, list[str]]) -> list[Pair]:
    """(text, text): a reply that greets by name and quotes the order number, by one of two topics."""
    chance = random.Random(seed)
    return [_letter(chance, world) for _ in range(count)]


def _letter(chance: random.Random, world: dict[str, list[str]]) -> Pair:
    name = f"{chance.choice(world['first'])} {chance.choice(world['last'])}"
    code = f"{chance.choice(world['prefix'])}-{chance.randint(10_000, 99_999)}"
    asked, told = chance.choice(
        [
            (f"where is my parcel {code}? It never arrived.", f"We are sorry that order {code} is late."),
            (f"please cancel {code}, I do not want it any more.", f"Order {code} is cancelled as you asked."),
        ]
    )
    return f"Hello, {asked} Regards, {name}", f"Dear {name},\n\nThank you for writing. {told}\n\nThe shop team"


def request(question: str, system: str = "", examples: Sequence[Pair] = ()) -> list[Message]:
    """Chat messages."""
    shown = [message for text, answer in examples for message in (_user(text), _assistant(answer))]
    return [*([{"role": "system", "content": system}] if system else []), *shown, _user(question)]


def listed(descriptions: dict[str, str]) -> str:
    """Instructions with a list of labels."""
    return "Sort the mail.\n\nLabels:\n" + "\n".join(f"- {name}: {said}" for name, said in descriptions.items())


def json_schema(schema: dict[str, object]) -> dict[str, object]:
    """A response format."""
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def write(path: Path, pairs: Sequence[Pair]) -> Path:
    """A training file."""
    records = [{"messages": [_user(text), _assistant(answer)]} for text, answer in pairs]
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def tune(folder: Path, pairs: Sequence[Pair], *options: str, base: str = LARGE) -> Answerer:
    """Train in this process, three epochs unless told otherwise; the tuned model."""
    folder.mkdir(parents=True, exist_ok=True)
    training = write(folder / "training.jsonl", pairs)
    given = ["--training", str(training), "--validation", "-", "--model", str(folder / "model"), "--base", base]
    assert trainer.main([*given, "--epochs", "3", "--seed", "7", *options]) == 0
    return Answerer(base, folder / "model")


def ask(model: Answerer, messages: list[Message], response_format: dict[str, object] | None = None) -> Reply:
    """At temperature 0."""
    return model.answer(messages, response_format, 0.0, 7)


def accuracy(model: Answerer, cases: Sequence[Pair], system: str = "", examples: Sequence[Pair] = ()) -> float:
    """Share of answers that are word for word right."""
    return sum(ask(model, request(text, system, examples)).text == answer for text, answer in cases) / len(cases)


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


def _assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}
