"""Who writes and when: customers, and the rows that their messages become."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

Row = dict[str, Any]
OPENED = datetime(2026, 1, 5, 7, tzinfo=UTC)
DAYS = 290
REGULAR = 0.015  # share of the messages that one customer writes


@dataclass(frozen=True)
class Customer:
    """One sender: what stays the same from message to message."""

    id: str
    name: str
    channel: str
    tier: str


class Inbox:
    """Turns messages into rows of rows.jsonl; `answer` names the column of the expected answer."""

    def __init__(self, customers: Sequence[Customer], answer: str, chance: Random) -> None:
        self.customers, self.answer, self.chance = customers, answer, chance

    def writer(self) -> Customer:
        """The first of the customers keeps writing; of the others, anyone."""
        first, *others = self.customers
        return first if self.chance.random() < REGULAR else self.chance.choice(others)

    def row(self, customer: Customer, text: str, answer: object) -> Row:
        """One message, some day between 7 and 23 o'clock."""
        received = OPENED + timedelta(days=self.chance.randrange(DAYS), seconds=self.chance.randrange(16 * 3600))
        return {
            "id": self._id(),
            "customer": customer.id,
            "received_at": received.isoformat(),
            "channel": customer.channel,
            "tier": customer.tier,
            "text": text,
            self.answer: answer,
        }

    def again(self, row: Row, text: str, **changed: object) -> Row:
        """The same matter once more, some hours later."""
        later = datetime.fromisoformat(row["received_at"]) + timedelta(minutes=self.chance.randrange(30, 4000))
        return {**row, "id": self._id(), "received_at": later.isoformat(), "text": text, **changed}

    def _id(self) -> str:
        return f"m-{self.chance.getrandbits(40):010x}"
