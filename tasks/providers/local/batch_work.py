"""How a batch lives: validating -> in_progress -> finalizing -> completed, or expired, failed or cancelled.

Each answer is on disk as it comes: a server that was killed goes on with the next request when it is back.
"""

import asyncio

from tasks.providers.local.batch_desk import BatchRooms, Desk
from tasks.providers.local.batch_input import InvalidBatchError, read_batch
from tasks.providers.local.batch_records import ALIVE, Batch, BatchError, BatchLine, BatchStatus
from tasks.providers.local.errors import ApiError, report


class BatchWork:
    """Runs one asyncio task a living batch."""

    def __init__(self, rooms: BatchRooms) -> None:
        self._rooms = rooms
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def busy(self) -> bool:
        """Whether any batch is on its way."""
        return bool(self._tasks)

    def start(self, batch_id: str) -> None:
        """Let a batch go on from the state it is in."""
        task = asyncio.create_task(self._live(batch_id), name=batch_id)
        self._tasks[batch_id] = task
        task.add_done_callback(lambda done: self._forget(batch_id, done))

    def start_all(self) -> None:
        """Let every batch go on that a stopped server left behind."""
        for batch in reversed(self._rooms.batches.newest_first()):
            if batch.status in ALIVE:
                self.start(batch.id)

    async def stop(self, batch_id: str) -> None:
        """Hold a batch where it is."""
        if task := self._tasks.pop(batch_id, None):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def stop_all(self) -> None:
        """Hold every batch."""
        await asyncio.gather(*map(self.stop, list(self._tasks)))

    async def _live(self, batch_id: str) -> None:
        try:
            await self._validate(batch_id)
            await self._answer(batch_id)
            await self._end(batch_id)
        except InvalidBatchError as problem:
            self._rooms.enter(batch_id, "failed", errors=problem.errors)
        except Exception as problem:  # a batch that nobody moves any more would be waited for in vain
            report(problem)
            error = BatchError(code="server_error", message="The batch failed due to an internal error.")
            self._rooms.enter(batch_id, "failed", errors=[error])

    async def _validate(self, batch_id: str) -> None:
        await self._dwell(batch_id, "validating")
        batch = self._rooms.get(batch_id)
        if batch.status == "validating":
            lines = await asyncio.to_thread(self._read, batch)
            if batch.fate.ends == "failed":
                raise InvalidBatchError([BatchError(**batch.fate.error.model_dump())])
            self._rooms.enter(batch_id, "in_progress", total=len(lines), model=self._model(lines[0]))

    def _read(self, batch: Batch) -> list[BatchLine]:
        file_id = batch.asked.input_file_id
        if problem := self._rooms.files.problem(file_id, "batch"):
            raise InvalidBatchError([BatchError(code="invalid_input_file", message=f"The input file: {problem}.")])
        return read_batch(self._rooms.files.content(file_id), batch.asked.endpoint)

    def _model(self, line: BatchLine) -> str:
        try:
            return self._rooms.catalogue.resolve_answering(str(line.body.get("model"))).id
        except ApiError as problem:
            error = BatchError(code=str(problem.code), message=problem.message, line=1, param="body.model")
            raise InvalidBatchError([error]) from None

    async def _answer(self, batch_id: str) -> None:
        """One request after the other, until all are got to that shall be, or the window is over."""
        batch = self._rooms.get(batch_id)
        if batch.status != "in_progress":
            return
        desk = Desk(self._rooms, batch)
        lines = await asyncio.to_thread(self._read, batch)
        for number, line in enumerate(lines[: int(len(lines) * batch.fate.answered)]):
            if self._rooms.settings.current().now() >= batch.expires_at:
                break
            await desk.answer(number, line)
        desk.count()
        await self._dwell(batch_id, "in_progress")
        rest = [line for line in lines if line.custom_id not in desk.done]
        late = self._rooms.settings.current().now() >= batch.expires_at
        if late or batch.fate.ends == "expired":
            desk.expire(rest)
            self._deliver(batch_id, "expired")
        elif batch.fate.ends == "cancelled":
            self._deliver(batch_id, "cancelled")
        else:
            self._rooms.enter(batch_id, "finalizing")

    async def _end(self, batch_id: str) -> None:
        await self._dwell(batch_id, "finalizing")
        await self._dwell(batch_id, "cancelling")
        status = self._rooms.get(batch_id).status
        if status in ("finalizing", "cancelling"):
            self._deliver(batch_id, "completed" if status == "finalizing" else "cancelled")

    def _deliver(self, batch_id: str, status: BatchStatus) -> None:
        """Publish what was answered and what was not, each file only where it has a line."""
        desk = Desk(self._rooms, self._rooms.get(batch_id))
        desk.count()
        suffix = batch_id.removeprefix("batch_")
        made = {"output_file": (desk.outputs, f"file-{suffix}o"), "error_file": (desk.errors, f"file-{suffix}e")}
        ids: dict[str, object] = {}
        for name, (path, identifier) in made.items():
            if path.exists() and path.stat().st_size:
                content, purpose = path.read_bytes(), "batch_output"
                ids[name] = self._rooms.files.add_result(identifier, f"{batch_id}_{path.name}", content, purpose).id
        self._rooms.enter(batch_id, status, **ids)

    async def _dwell(self, batch_id: str, status: BatchStatus) -> None:
        """Stay in a state as long as the clock, or the batch's fate, says; not past the end of its window."""
        batch = self._rooms.get(batch_id)
        if batch.status != status:
            return
        settings = self._rooms.settings.current()
        seconds = float(getattr(settings.batch_seconds, status))
        if batch.fate.stays == status:
            seconds = max(seconds, batch.expires_at - batch.entered[status])
        left = seconds - (settings.now() - batch.entered[status])
        await asyncio.sleep(min(max(left, 0), seconds))

    def _forget(self, batch_id: str, done: asyncio.Task[None]) -> None:
        if self._tasks.get(batch_id) is done:
            del self._tasks[batch_id]
