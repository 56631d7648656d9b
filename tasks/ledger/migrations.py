"""From the ledger of an older release to today's, a step a format; new tables need none.

A ledger is migrated when it is opened, in one transaction under the schema lock: another release's process waits or
is refused, and a kill leaves the old format whole.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, Float

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


_STEPS: Mapping[int, Callable[["Operations"], None]] = {2: _to_2}
