"""Cancels many tasks in one call."""

import asyncio
from collections.abc import Sequence

from idstatus.v1 import task_service_pb2 as pb
from idstatus_server.access import caller
from idstatus_server.engine import Ledger
from idstatus_server.engine.commands import CancelBatch, Cancelled, RecallCancel
from idstatus_server.lifecycle import UNFINISHED
from idstatus_server.limits import Limits
from idstatus_server.model import Filter, Task, replace
from idstatus_server.rpc import decode, encode
from idstatus_server.rpc.errors import to_status
from idstatus_server.rpc.fields import Fields
from idstatus_server.rpc.guard import Context
from idstatus_server.rpc.listing import Listing
from idstatus_server.store.base import Page


class Cancelling:
    """Cancels by ids, in one commit, or by filter, in as many as it takes."""

    def __init__(self, ledger: Ledger, listing: Listing, limits: Limits) -> None:
        self._ledger = ledger
        self._listing = listing
        self._limits = limits

    async def batch_cancel_tasks(
        self, request: pb.BatchCancelTasksRequest, _: Context
    ) -> pb.BatchCancelTasksResponse:
        """Cancel tasks by ids or by filter."""
        fields = Fields(self._limits)
        fields.batch("ids", len(request.ids), least=0)
        fields.check()
        if request.HasField("filter") == bool(request.ids):
            fields.fault("filter", "must be set, or ids must, but not both")
        for i, task_id in enumerate(request.ids):
            fields.id(f"ids[{i}]", task_id)
        wanted = decode.task_filter(fields, request.filter)
        fields.text("message", request.message, self._limits.long_text)
        key = decode.request_key(fields, request)
        fields.check()
        if request.validate_only:
            ids = request.ids or await self._matching(wanted)
            return pb.BatchCancelTasksResponse(count=await self._count(ids))
        if request.ids:
            ids = tuple(dict.fromkeys(request.ids))
            return _answer(await self._ledger.submit(CancelBatch(ids, request.message, key=key)))
        return await self._cancel_matching(wanted, CancelBatch((), request.message, key=key))

    async def _cancel_matching(
        self, wanted: Filter, batch: CancelBatch
    ) -> pb.BatchCancelTasksResponse:
        """Cancel in commits of a bounded size; the last one remembers the request."""
        recalled = await self._ledger.submit(RecallCancel(batch.key))
        if recalled:
            return _answer(recalled, only_tasks=True)
        ids = await self._matching(wanted)
        size = self._limits.batch
        done = Cancelled()
        while len(ids) > size:
            done = await self._ledger.submit(CancelBatch(ids[:size], batch.message, done))
            ids = ids[size:]
        part = CancelBatch(ids, batch.message, done, batch.key)
        return _answer(await self._ledger.submit(part), only_tasks=True)

    async def _matching(self, wanted: Filter) -> Sequence[str]:
        """Return the ids of all unfinished tasks that match."""
        statuses = (wanted.statuses or UNFINISHED) & UNFINISHED
        wanted = replace(wanted, statuses=statuses)
        ids: list[str] = []
        after = 0
        while statuses:
            tasks, after = await self._listing.find(wanted, Page(after, self._limits.batch))
            ids += [task.id for task in tasks]
            if not after:
                break
        return ids

    async def _count(self, ids: Sequence[str]) -> int:
        count = 0
        size = self._limits.batch
        for start in range(0, len(ids), size):
            found = await self._listing.store.tasks(ids[start : start + size])
            count += sum(
                not task.terminal and caller.get().may(task.queue) for task in found.values()
            )
            await asyncio.sleep(0)
        return count


def _answer(done: Cancelled, *, only_tasks: bool = False) -> pb.BatchCancelTasksResponse:
    answer = pb.BatchCancelTasksResponse(count=done.total)
    for result in done.results:
        if isinstance(result, Task):
            encode.id_status(answer.id_statuses.add(), result)
        elif not only_tasks:  # with a filter, a task that ended meanwhile did not match
            answer.errors.append(
                pb.BatchCancelError(id=result.metadata["id"], error=to_status(result))
            )
    return answer
