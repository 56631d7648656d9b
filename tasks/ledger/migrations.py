"""From the ledger of an older release to today's, a step a format; new tables need none.

A ledger is migrated when it is opened, in one transaction under the schema lock: another release's process waits or
is refused, and a kill leaves the old format whole.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, Float, String, inspect

if TYPE_CHECKING:
    from alembic.operations import Operations


def migrate(connection: Connection, found: int, wanted: int) -> None:
    """Bring the tables of format `found` to `wanted`."""
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    operations = Operations(MigrationContext.configure(connection))
    for number in range(found + 1, wanted + 1):
        _STEPS[number](operations)


def _to_2(operations: "Operations") -> None:
    """Quotes."""
    operations.add_column("intents", Column("quote", Float))


def _to_3(operations: "Operations") -> None:
    """Time to the first token, confidence, answers that were not timed, and sums of money from an index."""
    with operations.batch_alter_table("answers") as answers:
        answers.alter_column("latency_ms", existing_type=Float(), nullable=True)
        for name in ("ttft_ms", "confidence"):
            answers.add_column(Column(name, Float))
    for grouped in ("use_case", "run"):
        operations.drop_index(f"ix_spend_{grouped}", "spend", if_exists=True)
        operations.create_index(f"ix_spend_of_{grouped}", "spend", [grouped, "spent_at", "amount"])


def _to_4(operations: "Operations") -> None:
    """How somebody said yes."""
    if inspect(operations.get_bind()).has_table("approvals"):
        operations.add_column("approvals", Column("how", String))


_STEPS: Mapping[int, Callable[["Operations"], None]] = {2: _to_2, 3: _to_3, 4: _to_4}
