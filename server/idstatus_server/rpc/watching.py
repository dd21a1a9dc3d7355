"""WatchTasks and WaitTask: the streams of a watch, encoded once for all who see the same."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import groupby

from google.protobuf.message import Message

from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as pb
from idstatus_server.errors import TaskNotFoundError, WatcherTooSlowError
from idstatus_server.limits import SECOND
from idstatus_server.model import Change, Kind
from idstatus_server.rpc import decode, encode
from idstatus_server.rpc.dispatch import Context, Guard
from idstatus_server.rpc.fields import Fields
from idstatus_server.rpc.listing import MAX_ANSWER
from idstatus_server.rpc.rooms import Rooms
from idstatus_server.rpc.tokens import Tokens
from idstatus_server.watch import Batch, Position, Watch, WatchOptions
from idstatus_server.watch.feed import Feeds

_log = logging.getLogger(__name__)


async def send(context: Context, message: Message | bytes, patience: float) -> None:
    """Write one message of a stream, or give up on a peer that takes nothing.

    Raises:
        WatcherTooSlowError: the peer took nothing for ``patience`` seconds.
    """
    try:
        async with asyncio.timeout(patience):
            await context.write(message)
    except TimeoutError:
        _log.warning("a stream is ended: its client takes nothing for %g s", patience)
        raise WatcherTooSlowError(
            f"nothing was taken from the stream for {patience:g} s", seconds=f"{patience:g}"
        ) from None


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
        watch = Watch(self._hub, self._feeds, options)
        try:
            await watch.start()
            done = False
            position = options.resume
            while not done:
                batch = await watch.next(bookmarks / SECOND)
                async for message in self._messages(batch, view, position):
                    await send(context, message, self._patience.slow_watcher)
                done, position = batch.done, batch.position
        finally:
            watch.close()

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

    async def _messages(
        self, batch: Batch, view: task_pb2.TaskView.ValueType, before: Position | None
    ) -> AsyncIterator[bytes]:
        """Encode a batch in as many messages as its size asks for, most often one."""
        shared = batch.shared.encoded if batch.shared and view != encode.FULL else {}
        if view in shared:
            yield shared[view]
            return
        token = self._tokens.resume(before) if before else ""
        parts = Parts(token)
        for _, unit in groupby(batch.changes, key=lambda change: change.unit):
            changes = list(unit)
            encoded = [await self._change(change, view) for change in changes]
            token = self._tokens.resume(_position(changes[-1], batch))
            for message in parts.add(encoded, token):
                yield message
        last = parts.rest(
            self._tokens.resume(batch.position), snapshot_complete=batch.snapshot_complete
        )
        if parts.whole:
            shared[view] = last
        yield last

    async def _change(self, change: Change, view: task_pb2.TaskView.ValueType) -> pb.TaskChange:
        bodies = await self._store.bodies((change.task.seq,)) if view == encode.FULL else {}
        before = change.before
        return pb.TaskChange(
            type=encode.number(change.kind),
            id_status=encode.id_status(change.task),
            previous_status=encode.number(before.status if before else None),
            task=encode.task(change.task, view, bodies) if view != encode.STATUS else None,
        )

    async def wait_task(self, request: pb.WaitTaskRequest, context: Context) -> pb.WaitTaskResponse:
        """Wait until a task is terminal, or the wait is over."""
        fields = Fields(self._limits)
        fields.id("id", request.id)
        view = decode.view(fields, request.view, encode.FULL)
        wait = fields.wait(request, default=self._limits.max_wait)
        fields.check()
        patience = call_patience(context, wait)
        watch = Watch(self._hub, self._feeds, WatchOptions(ids=(request.id,), skip_snapshot=True))
        ends = asyncio.get_running_loop().time() + patience
        try:
            await watch.start()
            done = False
            while not done and (left := ends - asyncio.get_running_loop().time()) > 0:
                with self._guard.waiting():
                    done = (await watch.next(left)).done
        finally:
            watch.close()
        task = (await self._store.tasks((request.id,))).get(request.id)
        if task is None:
            raise TaskNotFoundError(request.id)
        bodies = await self._store.bodies((task.seq,)) if view == encode.FULL else {}
        return pb.WaitTaskResponse(task=encode.task(task, view, bodies))


def call_patience(context: Context, wait: int) -> float:
    """Return for how many seconds a call may wait and still answer before its deadline."""
    left = context.time_remaining()
    seconds = wait / SECOND
    return seconds if left is None else max(0.0, min(seconds, left * 0.9, left - 0.05))


def _position(change: Change, batch: Batch) -> Position:
    """Return how far a watch is after a change."""
    if change.kind is Kind.SNAPSHOT:
        return Position(batch.position.mark, change.task.seq)
    return Position(change.mark)


class Parts:
    """Divides a batch into messages of a bounded size, between units wherever possible.

    A unit that is too big for one message gets several to itself; all but the last of
    them carry the token from before it.
    """

    def __init__(self, token: str) -> None:
        self.whole = True
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
        self.whole, self._changes, self._room = False, [], MAX_ANSWER
        return message.SerializeToString()
