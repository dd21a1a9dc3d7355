"""QueueService: shows the queues and sets their limits."""

import asyncio

from google.protobuf.field_mask_pb2 import FieldMask

from idstatus.v1 import queue_service_pb2 as pb
from idstatus_server.access import caller
from idstatus_server.engine.commands import UpdateQueue
from idstatus_server.errors import QueueNotFoundError
from idstatus_server.rpc import encode
from idstatus_server.rpc.fields import Fields
from idstatus_server.rpc.guard import Context
from idstatus_server.rpc.rooms import Rooms
from idstatus_server.rpc.tokens import Tokens

_SETTINGS = ("paused", "max_running", "retention")
_MOST_RUNNING = 2**31 - 1


class QueueService:
    """What operators call."""

    def __init__(self, rooms: Rooms, tokens: Tokens) -> None:
        self._store = rooms.store
        self._ledger = rooms.ledger
        self._arrivals = rooms.arrivals
        self._limits = rooms.limits
        self._clock = rooms.clock
        self._tokens = tokens

    async def list_queues(self, request: pb.ListQueuesRequest, _: Context) -> pb.ListQueuesResponse:
        """Return one page of queues."""
        fields = Fields(self._limits)
        size = fields.page_size(request.page_size)
        fields.check()
        after = self._tokens.after_name(request.page_token)
        found = await self._store.queues(after, size + 1, caller.get().allowed)
        more = len(found) > size
        now = self._clock()
        return pb.ListQueuesResponse(
            queues=[encode.queue(state, now) for state in found[:size]],
            next_page_token=self._tokens.name_page(found[size - 1].queue.name) if more else "",
        )

    async def get_queue(self, request: pb.GetQueueRequest, _: Context) -> pb.GetQueueResponse:
        """Return one queue."""
        fields = Fields(self._limits)
        fields.queue("name", request.name)
        fields.check()
        return pb.GetQueueResponse(queue=await self._queue(request.name))

    async def update_queue(
        self, request: pb.UpdateQueueRequest, _: Context
    ) -> pb.UpdateQueueResponse:
        """Change a queue's settings."""
        fields = Fields(self._limits)
        wanted = _wanted(fields, request.queue, request.update_mask)
        inner = fields.at("queue")
        name = inner.queue("name", request.queue.name)
        inner.number("max_running", request.queue.max_running, 0, _MOST_RUNNING)
        retention = inner.span(
            "retention", request.queue, self._limits.min_retention, self._limits.max_retention
        )
        fields.check()
        command = UpdateQueue(
            name,
            paused=request.queue.paused if "paused" in wanted else None,
            max_running=request.queue.max_running if "max_running" in wanted else None,
            retention=retention if "retention" in wanted else None,
        )
        # Whoever waits must hear of it, though the caller may go before it is done.
        update = asyncio.ensure_future(self._ledger.submit(command))
        update.add_done_callback(lambda _: self._arrivals.open(name))
        await asyncio.shield(update)
        return pb.UpdateQueueResponse(queue=await self._queue(name))

    async def _queue(self, name: str) -> pb.Queue:
        state = await self._store.queue(name)
        if state is None:
            raise QueueNotFoundError(name)
        return encode.queue(state, self._clock())


def _wanted(fields: Fields, queue: pb.Queue, mask: FieldMask) -> set[str]:
    """Return the settings to change: those in the mask or, without one, those set."""
    paths = set(fields.at_most("update_mask", mask.paths, fields.limits.batch))
    if "*" in paths:
        return set(_SETTINGS)
    for path in paths - set(_SETTINGS):
        fields.fault("update_mask", f"must name {', '.join(_SETTINGS)} only, not {path[:80]!r}")
    if paths:
        return paths
    present = {field.name for field, _ in queue.ListFields()}
    return present & set(_SETTINGS)
