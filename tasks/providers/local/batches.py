"""Batches as the API offers them: many completions from a file, cheaper and later."""

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.providers.local import pages
from tasks.providers.local.batch_desk import BatchRooms
from tasks.providers.local.batch_records import Batch, BatchRequest
from tasks.providers.local.batch_work import BatchWork
from tasks.providers.local.errors import ApiError
from tasks.providers.local.fault_kinds import BatchFate
from tasks.providers.local.pages import Public
from tasks.providers.local.store import new_id

LIST_LIMIT = 20


@dataclass(frozen=True)
class Batches:
    """Create, look, stop."""

    rooms: BatchRooms
    work: BatchWork

    def create(self, asked: BatchRequest, fate: BatchFate | None) -> Batch:
        """Take a batch on; it is on disk when this returns. What is wrong with its file shows later, as it fails."""
        settings = self.rooms.settings.current()
        now = settings.now()
        batch = Batch(
            id=new_id("batch_"),
            order=self.rooms.batches.next_order(),
            asked=asked,
            status="validating",
            entered={"validating": now},
            expires_at=now + settings.batch_seconds.window,
            fate=fate or BatchFate(kind="batch"),
        )
        self.rooms.batches.put(batch)
        self.work.start(batch.id)
        return batch

    def page(self, query: Mapping[str, str]) -> Public:
        """A page, newest first. There is no filter, as the real service has none."""
        now = self.rooms.settings.current().now()
        found = self.rooms.batches.newest_first()
        shown = [batch.public() for batch in found if batch.created_at + batch.fate.hidden_s <= now]
        return pages.page(shown, query, LIST_LIMIT, "Batch")

    async def cancel(self, batch_id: str) -> Batch:
        """Stop it; what was answered is delivered. Raises ApiError for a batch that is not on its way."""
        status = self.rooms.get(batch_id).status
        if status not in ("validating", "in_progress", "finalizing"):
            raise ApiError(409, f"Cannot cancel a batch with status '{status}'.", code="invalid_batch_state")
        await self.work.stop(batch_id)
        batch = self.rooms.enter(batch_id, "cancelling")
        self.work.start(batch_id)
        return batch
