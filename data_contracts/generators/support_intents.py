"""Messages to the support desk of the (fictional) bank Larkwell, and the queue that each belongs to."""

from data_contracts.generators.defects import Export, export
from data_contracts.generators.grammar import PhraseBook, mistype
from data_contracts.generators.inbox import Customer, Inbox

CUSTOMERS = 460
BUSY = {"card_refused": 4, "unknown_debit": 4, "merchant_claim": 4}  # queue -> weight
QUIET = {"mandates": 2, "nest": 2, "tandem": 2, "identity_desk": 2, "plan_desk": 2, "leaving": 2}
PARTS = {  # channel -> how likely each part of a message is
    "chat": {"greeting": 0.4, "context": 0.1, "aside": 0.5, "tried": 0.5, "ask": 0.5, "closer": 0.0},
    "email": {"greeting": 1.0, "context": 0.8, "aside": 0.8, "tried": 0.6, "ask": 0.8, "closer": 0.9},
    "form": {"greeting": 0.1, "context": 0.4, "aside": 0.6, "tried": 0.3, "ask": 0.6, "closer": 0.1},
}


def generate(seed: int, count: int = 1300) -> Export:
    """`count` messages and the planted defects; the same seed gives the same bytes."""
    book = PhraseBook("support_intents", seed)
    chance = book.chance
    inbox = Inbox(
        [_customer(number, book) for number in chance.sample(range(10_000, 100_000), CUSTOMERS)], "intent", chance
    )
    queues = list(book.content["situations"])
    weights = [{**BUSY, **QUIET}.get(queue, 3) for queue in queues]
    rows = []
    for queue in chance.choices(queues, weights, k=count):
        writer = inbox.writer()
        rows.append(inbox.row(writer, _message(queue, writer, book), queue))
    return export(rows, inbox, lambda queue: chance.choice([queue.title(), queue.replace("_", "-"), f"{queue}_old"]))


def _customer(number: int, book: PhraseBook) -> Customer:
    channel = book.chance.choices(["chat", "email", "form"], [5, 4, 3])[0]
    tier = book.chance.choices(["flow", "plus", "prime"], [6, 3, 1])[0]
    return Customer(f"C-{number}", book.say("{first_name}"), channel, tier)


def _message(queue: str, writer: Customer, book: PhraseBook) -> str:
    """The matter itself, amid what customers say around it: what it is not, what they tried, who they are."""
    chance, symbols, asides = book.chance, book.symbols, book.content["asides"]
    elsewhere = chance.choice([name for name in asides if name != queue])

    def maybe(part: str, block: str) -> str:
        return book.pick(block, first_name=writer.name) if chance.random() < PARTS[writer.channel][part] else ""

    situation = chance.choice(list(book.content["situations"][queue].values()))
    body = [book.pick(situation), maybe("aside", asides[elsewhere])]
    body += [maybe(part, symbols[part]) for part in ("context", "tried")]
    chance.shuffle(body)
    around = {part: maybe(part, symbols[part]) for part in ("greeting", "ask", "closer")}
    text = mistype(" ".join([around["greeting"], *body, around["ask"], around["closer"]]), 0.015, chance)
    return text.lower() if writer.channel == "chat" and chance.random() < 0.5 else text
