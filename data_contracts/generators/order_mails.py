"""Mails about an order to the (fictional) garden shop Fernhill, and the details that its order desk types off them."""

from typing import Any

from data_contracts.generators.defects import Export, export
from data_contracts.generators.grammar import PhraseBook, mistype
from data_contracts.generators.inbox import Customer, Inbox

CUSTOMERS = 520
CARRIERS = ("Parcelo", "Swiftline", "BoxHop", "Harrier Post")
FREQUENT = {"not_delivered": 5, "damaged": 4, "return_item": 4}  # topic -> weight
SAID = {"greeting": 0.8, "context": 0.45, "ask": 0.5, "closer": 0.7}  # part of a mail -> how likely it is
MENTIONED = {"order": 0.85, "count": 0.3, "carrier": 0.3}


def generate(seed: int, count: int = 1200) -> Export:
    """`count` mails and the planted defects; the same seed gives the same bytes."""
    book = PhraseBook("order_mails", seed)
    chance = book.chance
    inbox = Inbox(
        [_customer(number, book) for number in chance.sample(range(10_000, 100_000), CUSTOMERS)], "details", chance
    )
    topics = list(book.content["topics"])
    weights = [FREQUENT.get(topic, 2) for topic in topics]
    rows = []
    for topic in chance.choices(topics, weights, k=count):
        writer = inbox.writer()
        facts = _facts(book)
        text = _mail(topic, writer, facts, book)
        rows.append(inbox.row(writer, text, _details(topic, facts)))
    return export(rows, inbox, lambda details: {**details, "topic": chance.choice(["other", "Complaint", "n/a"])})


def _customer(number: int, book: PhraseBook) -> Customer:
    channel = book.chance.choices(["mail", "web form", "marketplace"], [5, 3, 2])[0]
    tier = book.chance.choices(["guest", "account", "trade"], [4, 5, 1])[0]
    return Customer(f"K-{number}", book.say("{new_name}"), channel, tier)


def _facts(book: PhraseBook) -> dict[str, str]:
    """What the mail is going to mention; a fact that it does not mention is absent."""
    chance = book.chance
    known = {
        "order": f"FH-{chance.randrange(10_000, 99_999)}",
        "count": str(chance.randrange(2, 13)),
        "carrier": chance.choice(CARRIERS),
    }
    mentioned = {name: value for name, value in known.items() if chance.random() < MENTIONED[name]}
    return {"product": book.say("{new_product}"), **mentioned}


def _details(topic: str, facts: dict[str, str]) -> dict[str, Any]:
    return {
        "topic": topic,
        "order_number": facts.get("order"),
        "product": facts["product"],
        "quantity": int(facts["count"]) if "count" in facts else None,
        "carrier": facts.get("carrier"),
    }


def _mail(topic: str, writer: Customer, facts: dict[str, str], book: PhraseBook) -> str:
    """The request, and in any order the facts and what people add."""
    chance, symbols = book.chance, book.symbols

    def maybe(part: str) -> str:
        return book.pick(symbols[part], full_name=writer.name) if chance.random() < SAID[part] else ""

    request = mistype(book.say(chance.choice(book.content["topics"][topic].splitlines()), product="{}"), 0.01, chance)
    body = [request.replace("{}", facts["product"]), maybe("context")]
    body += [book.pick(symbols[f"with_{name}"], **facts) for name in MENTIONED if name in facts]
    chance.shuffle(body)
    return " ".join(" ".join([maybe("greeting"), *body, maybe("ask"), maybe("closer")]).split())
