"""WatchTasks and WaitTask: the streams of a watch, encoded once for all who see the same."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from itertools import groupby

from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as pb
from idstatus_server.access import caller
from idstatus_server.limits import SECOND
from idstatus_server.model import Change, Filter, Kind
from idstatus_server.rpc import decode, encode
from idstatus_server.rpc.fields import Fields
from idstatus_server.rpc.finding import bodies_of, tell
from idstatus_server.rpc.guard import Context, Guard
from idstatus_server.rpc.listing import MAX_ANSWER
from idstatus_server.rpc.outlet import Outlet
from idstatus_server.rpc.rooms import Rooms
from idstatus_server.rpc.tokens import Tokens
from idstatus_server.store.base import Bodies
from idstatus_server.watch import Batch, Position, Watch, WatchOptions
from idstatus_server.watch.feed import Delivery, Feeds


class Watching:
    """Serves what waits for changes."""

    def __init__(self, rooms: Rooms, tokens: Tokens, guard: Guard) -> None:
        self._store = rooms.store
        self._hub = rooms.hub
        self._feeds = Feeds(rooms.hub)
        self._tokens = tokens
        self._limits = rooms.limits
        self._patience = rooms.patience
        self._guard = guard

    async def watch_tasks(self, request: pb.WatchTasksRequest, context: Context) -> None:
        """Stream a watch."""
        fields = Fields(self._limits)
        options = self._options(fields, request)
        view = decode.view(fields, request.view, encode.STATUS)
        bookmarks = fields.span(
            "bookmark_interval",
            request,
            self._limits.min_bookmark,
            self._limits.max_bookmark,
            self._limits.default_bookmark,
        )
        fields.check()
        with (
            closing(Watch(self._hub, self._feeds, options)) as watch,
            closing(Outlet(context, self._patience.slow_watcher)) as outlet,
            self._hub.attached(outlet),
        ):
            await watch.start()
            done = False
            position = options.resume
            while not done:
                batch = await watch.next(bookmarks / SECOND)
                message = shared(self._tokens, batch.deliveries, view)
                if message:
                    await outlet.send(message)
                else:
                    async for message in self._divided(batch, view, position):
                        await outlet.send(message)
                done, position = batch.done, batch.position

    def _options(self, fields: Fields, request: pb.WatchTasksRequest) -> WatchOptions:
        fields.batch("ids", len(request.ids), least=0)
        fields.check()
        if request.ids and request.HasField("filter"):
            fields.fault("filter", "must not be set together with ids")
        for i, task_id in enumerate(request.ids):
            fields.id(f"ids[{i}]", task_id)
        wanted = decode.task_filter(fields, request.filter)
        fields.check()
        token = request.resume_token
        return WatchOptions(
            ids=tuple(request.ids),
            wanted=wanted,
            resume=self._tokens.position(token) if token else None,
            skip_snapshot=request.skip_snapshot,
            follow_retries=request.follow_retries,
            max_age=self._patience.max_age,
        )

    async def _divided(
        self, batch: Batch, view: task_pb2.TaskView.ValueType, before: Position | None
    ) -> AsyncIterator[bytes]:
        """Encode a batch for one watcher alone."""
        parts = Parts(self._tokens.resume(before) if before else "")
        changes = batch.changes
        tasks = [change.task for change in changes]
        shown = view == encode.FULL
        async with aclosing(bodies_of(tasks, self._store, lambda _: shown)) as bodies:
            for _, group in groupby(changes, key=lambda change: change.unit):
                unit = list(group)
                encoded = [_told(change, view, await anext(bodies)) for change in unit]
                token = self._tokens.resume(_position(unit[-1], batch))
                for message in parts.add(encoded, token):
                    yield message
        yield parts.rest(
            self._tokens.resume(batch.position), snapshot_complete=batch.snapshot_complete
        )

    async def wait_task(self, request: pb.WaitTaskRequest, context: Context) -> pb.WaitTaskResponse:
        """Wait until a task is terminal, or the wait is over."""
        fields = Fields(self._limits)
        fields.id("id", request.id)
        view = decode.view(fields, request.view, encode.FULL)
        wait = fields.wait("wait", request, default=self._limits.max_wait)
        fields.check()
        await self.until_terminal(request.id, call_patience(context, wait))
        answer = pb.WaitTaskResponse()
        await tell(answer.task, self._store, request.id, view)
        return answer

    async def until_terminal(self, task_id: str, patience: float) -> None:
        """Return once a task is terminal, or after so many seconds.

        Raises:
            TaskNotFoundError: there is none.
        """
        wanted = Filter(scope=caller.get().allowed)
        options = WatchOptions(ids=(task_id,), wanted=wanted, skip_snapshot=True)
        watch = Watch(self._hub, self._feeds, options)
        ends = asyncio.get_running_loop().time() + patience
        try:
            await watch.start()
            done = False
            while not done and (left := ends - asyncio.get_running_loop().time()) > 0:
                with self._guard.waiting():
                    done = (await watch.next(left)).done
        finally:
            watch.close()


def call_patience(context: Context, wait: int) -> float:
    """Return for how many seconds a call may wait and still answer before its deadline."""
    left = context.time_remaining()
    seconds = wait / SECOND
    return seconds if left is None else max(0.0, min(seconds, left * 0.9, left - 0.05))


def _told(
    change: Change, view: task_pb2.TaskView.ValueType, bodies: Mapping[int, Bodies]
) -> pb.TaskChange:
    message = pb.TaskChange()
    encode.change(message, change, view, bodies)
    return message


def _position(change: Change, batch: Batch) -> Position:
    """Return how far a watch is after a change."""
    if change.kind is Kind.SNAPSHOT:
        return Position(batch.position.mark, change.task.seq)
    return Position(change.mark)


def shared(
    tokens: Tokens, deliveries: Sequence[Delivery], view: task_pb2.TaskView.ValueType
) -> bytes:
    """Return the one message that all watchers of a feed are sent, empty if there is none."""
    if view == encode.FULL:
        return b""
    pieces = [
        delivery.encoded.get(view) or _encode(tokens, delivery, view) for delivery in deliveries
    ]
    # Messages in a row parse as one, with the changes of all and the last one's token
    # (protobuf.dev, Encoding: Last One Wins).
    message = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    return message if len(message) <= MAX_ANSWER else b""


def _encode(tokens: Tokens, delivery: Delivery, view: task_pb2.TaskView.ValueType) -> bytes:
    """Encode a delivery once for all who are sent it."""
    message = pb.WatchTasksResponse(resume_token=tokens.resume(Position(delivery.mark)))
    for change in delivery.changes:
        encode.change(message.changes.add(), change, view)
    delivery.encoded[view] = message.SerializeToString()
    return delivery.encoded[view]


class Parts:
    """Divides a batch into messages of a bounded size, between units wherever possible.

    A unit that is too big for one message gets several to itself; all but the last of
    them carry the token from before it.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        self._changes: list[pb.TaskChange] = []
        self._room = MAX_ANSWER

    def add(self, unit: Sequence[pb.TaskChange], token: str) -> Iterator[bytes]:
        """Take a unit and the token after it; yield the messages that are full."""
        if self._changes and sum(change.ByteSize() for change in unit) > self._room:
            yield self._flush()
        for change in unit:
            size = change.ByteSize()
            if self._changes and size > self._room:
                yield self._flush()
            self._changes.append(change)
            self._room -= size
        self._token = token

    def rest(self, token: str, *, snapshot_complete: bool) -> bytes:
        """Return the last message."""
        return pb.WatchTasksResponse(
            changes=self._changes, resume_token=token, snapshot_complete=snapshot_complete
        ).SerializeToString()

    def _flush(self) -> bytes:
        message = pb.WatchTasksResponse(changes=self._changes, resume_token=self._token)
        self._changes, self._room = [], MAX_ANSWER
        return message.SerializeToString()
