"""Mails about an order to the (fictional) garden shop Fernhill, and the details that its order desk types off them."""

from typing import Any

from data_contracts.generators.defects import Export, export
from data_contracts.generators.grammar import PhraseBook, mistype
from data_contracts.generators.inbox import Customer, Inbox

CUSTOMERS = 520
CARRIERS = ("Parcelo", "Swiftline", "BoxHop", "Harrier Post", "Clover Freight")
QUANTITIES = (1, 1, 1, 1, 2, 2, 3, 4, 5, 6, 8, 10, 12)
FREQUENT = {"not_delivered": 5, "damaged": 4, "return_item": 4}  # topic -> weight
UNCLEAR_SUBJECT = 0.2
SECOND_MATTER = 0.05  # mails that raise another matter after the first, which is the one that counts
SAID = {"greeting": 0.8, "context": 0.45, "ask": 0.5, "closer": 0.7}  # part of a mail -> how likely it is


def generate(seed: int, count: int = 1200) -> Export:
    """`count` mails and the planted defects; the same seed gives the same bytes."""
    book = PhraseBook("order_mails", seed)
    chance = book.chance
    customers = [_customer(number, book) for number in chance.sample(range(10_000, 100_000), CUSTOMERS)]
    inbox = Inbox(customers, "details", chance)
    topics = list(book.content["topics"])
    weights = [FREQUENT.get(topic, 2) for topic in topics]
    rows = []
    for topic in chance.choices(topics, weights, k=count):
        writer = inbox.writer()
        facts = _facts(book)
        rows.append(inbox.row(writer, _mail(topic, writer, facts, book), _details(topic, facts)))
    return export(rows, inbox, lambda details: {**details, "topic": chance.choice(["other", "Complaint", "n/a"])})


def _customer(number: int, book: PhraseBook) -> Customer:
    channel = book.chance.choices(["mail", "web form", "marketplace"], [5, 3, 2])[0]
    tier = book.chance.choices(["guest", "account", "trade"], [4, 5, 1])[0]
    return Customer(f"K-{number}", book.say("{new_name}"), channel, tier)


def _facts(book: PhraseBook) -> dict[str, str]:
    """What the shop knows of the order; an article's code starts with its maker and differs from order to order."""
    make, item, variant = book.say("{new_product}").split("/")
    return {
        "order": f"FH-{book.chance.randrange(10_000, 100_000)}",
        "article": f"{make[:3].upper()}{book.chance.randrange(100, 1000)}",
        "product": f"{make} {item} {variant}".strip(),
        "item": item,
        "count": str(book.chance.choice(QUANTITIES)),
        "carrier": book.chance.choice(CARRIERS),
    }


def _details(topic: str, facts: dict[str, str]) -> dict[str, Any]:
    return {
        "topic": topic,
        "order_number": facts["order"],
        "article": facts["article"],
        "quantity": int(facts["count"]),
        "carrier": facts["carrier"],
    }


def _mail(topic: str, writer: Customer, facts: dict[str, str], book: PhraseBook) -> str:
    """What the customer wrote, laid out as the channel does, with the facts of the order."""
    chance, symbols, content = book.chance, book.symbols, book.content

    def maybe(part: str) -> str:
        return book.pick(symbols[part], full_name=writer.name) if chance.random() < SAID[part] else ""

    body = [book.pick(content["topics"][topic], item=facts["item"]), maybe("context")]
    chance.shuffle(body)
    if chance.random() < SECOND_MATTER:
        other = chance.choice([name for name in content["topics"] if name != topic])
        body.append(f"Besides: {book.pick(content['topics'][other], item=facts['item'])}")
    words = mistype(" ".join([maybe("greeting"), *body, maybe("ask"), maybe("closer")]), 0.01, chance)
    summed_up = "unclear" if chance.random() < UNCLEAR_SUBJECT else topic
    subject = book.pick(content["subjects"][summed_up], **facts)
    return str(content["blocks"][writer.channel]).format(**facts, subject=subject, words=words).strip()
