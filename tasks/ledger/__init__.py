"""What was bought, approved, answered, opened and spent, durable before it counts: SQLite, or PostgreSQL by URL."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Unpack

from sqlalchemy import Row, func, literal, select, true, update

from data_contracts.answers import StoredAnswer
from tasks.errors import ResumableError
from tasks.ledger import tables as table
from tasks.ledger.operating import Operating
from tasks.ledger.rows import (
    ENTERED_FROM,
    Approval,
    Deletion,
    Intent,
    IntentFields,
    IntentState,
    Opening,
    RunRecord,
    RunState,
    Upload,
)

CHUNK = 500  # values in one IN (...)
BATCH = 100_000  # texts remembered by one statement


class Ledger(Operating):
    """One ledger, open in any number of processes: `url`, else TUNEGATE_LEDGER_URL, else ledger.db at home."""

    # ------------------------------------------------------------ purchases

    def open_intent(self, key: str, use_case: str, run: str, request: Mapping[str, Any]) -> Intent:
        """Write down what is about to be bought, or find that it was written down before."""
        row = {"key": key, "use_case": use_case, "run": run, "request": dict(request), "updated_at": self.clock.now()}
        with self._transaction() as connection:
            new = {**row, "state": IntentState.INTENT.value, "attempt": 0}
            connection.execute(table.insert(self.engine, table.intents).values(new).on_conflict_do_nothing())
            return _intent(connection.execute(select(table.intents).where(table.intents.c.key == key)).one())

    def intent(self, key: str) -> Intent | None:
        """A purchase by its key."""
        with self._transaction() as connection:
            row = connection.execute(select(table.intents).where(table.intents.c.key == key)).one_or_none()
        return _intent(row) if row else None

    def intents(self, use_case: str | None = None) -> list[Intent]:
        """Purchases, oldest movement first."""
        query = select(table.intents).order_by(table.intents.c.updated_at)
        if use_case is not None:
            query = query.where(table.intents.c.use_case == use_case)
        with self._transaction() as connection:
            return [_intent(row) for row in connection.execute(query)]

    def advance(self, key: str, state: IntentState, **fields: Unpack[IntentFields]) -> Intent:
        """Move a purchase on; SUBMITTING counts an attempt. Raises ResumableError where no way leads there."""
        intents = table.intents
        attempt = intents.c.attempt + (1 if state is IntentState.SUBMITTING else 0)
        moved = (
            update(intents)
            .where(intents.c.key == key, intents.c.state.in_([origin.value for origin in ENTERED_FROM[state]]))
            .values(state=state.value, attempt=attempt, updated_at=self.clock.now(), **fields)
        )
        with self._transaction() as connection:
            changed = connection.execute(moved).rowcount
            row = connection.execute(select(intents).where(intents.c.key == key)).one_or_none()
        if not changed or row is None:
            present = row.state if row else "not in the ledger"
            cause = f"it is {present} and cannot become {state}: another process moved it meanwhile"
            raise ResumableError(f"Purchase {key}", cause, "Look at `tunegate status`, then run again.")
        return _intent(row)

    # ------------------------------------------------------------ around a purchase

    def approve(self, approval: Approval) -> None:
        """Keep a person's yes. The first one to the same content stays."""
        self._add(table.approvals, [asdict(approval)])

    def approval(self, run: str, kind: str, sha256: str) -> Approval | None:
        """The yes to exactly this content, if there is one."""
        columns = table.approvals.c
        same = (columns.run == run, columns.kind == kind, columns.sha256 == sha256)
        with self._transaction() as connection:
            row = connection.execute(select(table.approvals).where(*same)).one_or_none()
        return Approval(**row._mapping) if row else None

    def record_deletion(self, deletion: Deletion) -> None:
        """Keep that something was deleted at the provider; a later look that proves it counts."""
        added = table.insert(self.engine, table.deletions).values(asdict(deletion))
        keys = [table.deletions.c.intent, table.deletions.c.kind, table.deletions.c.id]
        told = {"deleted_at": deletion.deleted_at, "proven": deletion.proven}
        with self._transaction() as connection:
            connection.execute(added.on_conflict_do_update(index_elements=keys, set_=told))

    def deletions(self, intent: str) -> list[Deletion]:
        """What of a purchase was deleted, oldest first."""
        columns = table.deletions.c
        query = select(table.deletions).where(columns.intent == intent).order_by(columns.deleted_at, columns.id)
        with self._transaction() as connection:
            return [Deletion(**row._mapping) for row in connection.execute(query)]

    def nudge(self, job: str, state: str) -> None:
        """Somebody says that a job moved: whoever waits for it looks now."""
        told = {"state": state, "received_at": self.clock.now()}
        added = table.insert(self.engine, table.nudges).values(job=job, **told)
        with self._transaction() as connection:
            connection.execute(added.on_conflict_do_update(index_elements=[table.nudges.c.job], set_=told))

    def nudged_at(self, job: str) -> float | None:
        """When a job was last said to have moved, seconds since the epoch."""
        columns = table.nudges.c
        with self._transaction() as connection:
            return connection.scalar(select(columns.received_at).where(columns.job == job))

    # ------------------------------------------------------------ answers

    def stored_answers(self, requests: Sequence[str]) -> dict[str, StoredAnswer]:
        """The answers that were paid for, by request hash."""
        columns = table.answers.c
        found: dict[str, StoredAnswer] = {}
        with self._transaction() as connection:
            for start in range(0, len(requests), CHUNK):
                query = select(table.answers).where(columns.request.in_(requests[start : start + CHUNK]))
                found |= {row.request: StoredAnswer(**row._mapping) for row in connection.execute(query)}
        return found

    def store_answers(self, answers: Iterable[StoredAnswer]) -> None:
        """Keep answers, all or none. The first answer to a request stays."""
        self._add(table.answers, [vars(answer) for answer in answers])

    def store_paid_answers(
        self, answers: Iterable[StoredAnswer], use_case: str, run: str, kind: str, amounts: Mapping[str, float]
    ) -> None:
        """Keep answers and what they cost, in USD by request, in one transaction; what is there already stays."""
        common = {"use_case": use_case, "run": run, "kind": kind, "spent_at": self.clock.now()}
        spends = [{"key": key, "amount": amount, **common} for key, amount in amounts.items()]
        with self._transaction() as connection:
            for target, rows in ((table.answers, [vars(answer) for answer in answers]), (table.spend, spends)):
                if rows:
                    connection.execute(table.insert(self.engine, target).on_conflict_do_nothing(), rows)

    # ------------------------------------------------------------ test sets

    def history(self, use_case: str) -> dict[str, str]:
        """Hash of a text's words (or key of a group) to the place in which it was first seen."""
        columns = table.memory.c
        query = select(columns.words, columns.partition).where(columns.use_case == use_case)
        with self._transaction() as connection:
            return dict(connection.execute(query).tuples().all())

    def remember(self, use_case: str, assignments: Mapping[str, str], run: str) -> None:
        """Fix the place of texts and groups for ever: a later, other assignment of the same one is ignored."""
        with self._transaction() as connection:
            for place in sorted(set(assignments.values())):
                words = sorted(key for key, found in assignments.items() if found == place)  # as the index has them
                for start in range(0, len(words), BATCH):
                    value = table.listed(self.engine, words[start : start + BATCH])
                    rows = select(literal(use_case), value, literal(place), literal(run)).where(true())
                    columns = ["use_case", "words", "partition", "run"]
                    added = table.insert(self.engine, table.memory).from_select(columns, rows)
                    connection.execute(added.on_conflict_do_nothing())

    def record_test_set(self, use_case: str, test_sha256: str, test_set: int, run: str) -> None:
        """Note which test set of the use case (1, 2, ...) a hash stands for: rows that are added change the hash."""
        row = {"use_case": use_case, "test_sha256": test_sha256, "test_set": test_set, "run": run}
        self._add(table.test_sets, [{**row, "sealed_at": self.clock.now()}])

    def record_opening(self, use_case: str, test_sha256: str, run: str, candidates: Sequence[str]) -> None:
        """Note that a run scores candidates on a sealed test set; once a run."""
        opening = {"use_case": use_case, "test_sha256": test_sha256, "run": run, "candidates": list(candidates)}
        self._add(table.openings, [{**opening, "opened_at": self.clock.now()}])

    def openings(self, use_case: str) -> list[Opening]:
        """Every opening of a use case's test sets, oldest first."""
        columns, sets = table.openings.c, table.test_sets.c
        same = (sets.use_case == columns.use_case) & (sets.test_sha256 == columns.test_sha256)
        query = select(table.openings, func.coalesce(sets.test_set, 1).label("test_set"))
        query = query.outerjoin(table.test_sets, same).where(columns.use_case == use_case).order_by(columns.opened_at)
        with self._transaction() as connection:
            rows = connection.execute(query).all()
        return [Opening(**{**row._mapping, "candidates": tuple(row.candidates)}) for row in rows]

    def record_upload(self, use_case: str, run: str, sha256: str, fingerprints: bytes, rows: int) -> None:
        """Keep the fingerprints of what is uploaded for training, for ever; the same file counts once."""
        row = {"use_case": use_case, "run": run, "sha256": sha256, "fingerprints": fingerprints, "rows": rows}
        self._add(table.uploads, [{**row, "uploaded_at": self.clock.now()}])

    def uploads(self, use_case: str) -> list[Upload]:
        """Whatever was uploaded for training by any run of a use case, oldest first."""
        columns = table.uploads.c
        query = select(table.uploads).where(columns.use_case == use_case).order_by(columns.uploaded_at, columns.sha256)
        with self._transaction() as connection:
            rows = connection.execute(query).all()
        return [Upload(**{**row._mapping, "fingerprints": bytes(row.fingerprints)}) for row in rows]

    # ------------------------------------------------------------ money

    def record_spend(self, key: str, use_case: str, run: str, kind: str, amount: float) -> None:
        """Add what a paid call cost, in USD. The same key counts once."""
        self.record_spends(use_case, run, kind, {key: amount})

    def record_spends(self, use_case: str, run: str, kind: str, amounts: Mapping[str, float]) -> None:
        """Add what many paid calls cost, in USD by key. A key that is there already counts no second time."""
        self.store_paid_answers((), use_case, run, kind, amounts)

    def hold(self, key: str, use_case: str, run: str, kind: str, amount: float) -> None:
        """Count a purchase, in USD, as this run's and as of now, in the place of what its key stood for before."""
        told = {"run": run, "kind": kind, "amount": amount, "spent_at": self.clock.now()}
        held = table.insert(self.engine, table.spend).values(key=key, use_case=use_case, **told)
        with self._transaction() as connection:
            connection.execute(held.on_conflict_do_update(index_elements=[table.spend.c.key], set_=told))

    def settle_spend(self, key: str, amount: float) -> None:
        """Put what was paid, in USD, in the place of an estimate; the moment stays that of the purchase."""
        with self._transaction() as connection:
            connection.execute(update(table.spend).where(table.spend.c.key == key).values(amount=amount))

    def spent(self, use_case: str, since: float) -> float:
        """USD spent on a use case since a moment (seconds since the epoch)."""
        return self._sum(table.spend.c.use_case == use_case, table.spend.c.spent_at >= since)

    def spent_in_run(self, run: str, since: float = 0.0) -> float:
        """USD spent in a run, since a moment (seconds since the epoch)."""
        return self._sum(table.spend.c.run == run, table.spend.c.spent_at >= since)

    def spent_by_kind(self, run: str) -> dict[str, float]:
        """USD spent in a run, by what it was spent on."""
        columns = table.spend.c
        query = select(columns.kind, columns.amount).where(columns.run == run)
        amounts: dict[str, list[float]] = {}
        with self._transaction() as connection:
            for kind, amount in connection.execute(query).tuples():
                amounts.setdefault(kind, []).append(amount)
        return {kind: math.fsum(values) for kind, values in amounts.items()}

    # ------------------------------------------------------------ runs

    def record_run(self, run: str, use_case: str, state: RunState, detail: Mapping[str, Any]) -> None:
        """Note where a run stands. `detail` is merged into what is known; it must hold no row text."""
        now = self.clock.now()
        columns = table.runs.c
        with self._transaction() as connection:
            known = connection.scalar(select(columns.detail).where(columns.run == run)) or {}
            changed = {"state": state, "detail": {**known, **detail}, "updated_at": now}
            added = table.insert(self.engine, table.runs).values(run=run, use_case=use_case, started_at=now, **changed)
            connection.execute(added.on_conflict_do_update(index_elements=[columns.run], set_=changed))

    def runs(self) -> list[RunRecord]:
        """Every run, oldest first."""
        with self._transaction() as connection:
            rows = connection.execute(select(table.runs).order_by(table.runs.c.started_at)).all()
        return [RunRecord(**row._mapping) for row in rows]

    def run(self, run: str) -> RunRecord | None:
        """A run by its name."""
        with self._transaction() as connection:
            row = connection.execute(select(table.runs).where(table.runs.c.run == run)).one_or_none()
        return RunRecord(**row._mapping) if row else None


def _intent(row: Row[Any]) -> Intent:
    return Intent(**{**row._mapping, "state": IntentState(row.state)})
