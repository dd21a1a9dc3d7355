"""Run: one runner over one stream.

Three jobs share the stream: one reads what the runner says, one claims tasks
while there is room, one writes. Claims and answers that are under way when the
stream ends are finished first: what was claimed must reach the runner.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractContextManager, closing
from typing import NamedTuple

from idstatus.v1 import runner_service_pb2 as pb
from idstatus_server.engine.commands import Claim, LeaseState
from idstatus_server.errors import InvalidFieldError, StreamAgedError, Violation
from idstatus_server.lifecycle import Execution, Status
from idstatus_server.limits import Limits
from idstatus_server.model import Change, Kind, Mark, Task
from idstatus_server.rpc import encode
from idstatus_server.rpc.claiming import Claiming, lease_duration, wanted_queues
from idstatus_server.rpc.fields import Fields
from idstatus_server.rpc.guard import Context
from idstatus_server.rpc.listing import MAX_ANSWER
from idstatus_server.rpc.outlet import Outlet
from idstatus_server.rpc.parse import check_parsed
from idstatus_server.rpc.rooms import Patience
from idstatus_server.tracing import Tracer, untraced
from idstatus_server.watch import Hub
from idstatus_server.watch.places import of_id

# Messages of one runner that are worked on at once, so that they share commits.
_AT_ONCE = 64
# How long to wait for work in one go, in seconds.
_WAIT = 10.0


class Desk(NamedTuple):
    """Where a session's requests are served: as those of the unary methods."""

    claiming: Claiming
    extend: Callable[[pb.ExtendLeasesRequest, Context], Awaitable[pb.ExtendLeasesResponse]]
    finish: Callable[[pb.FinishTasksRequest, Context], Awaitable[pb.FinishTasksResponse]]
    pace: Callable[[], Awaitable[None]]
    tracer: Tracer


class RunSession:
    """One runner's stream, and the tasks that the runner holds on it."""

    def __init__(
        self, desk: Desk, hub: Hub, limits: Limits, context: Context, patience: Patience
    ) -> None:
        self._desk = desk
        self._hub = hub
        self._limits = limits
        self._context = context
        self._patience = patience
        self._capacity = 0
        self._wanted = Claim(queues=(), max_tasks=0, lease=0, max_bytes=MAX_ANSWER)
        self._held: set[str] = set()
        self._noticed: set[str] = set()
        self._outgoing: deque[pb.RunResponse] = deque()
        self._handling: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._changed = asyncio.Event()
        self._to_write = asyncio.Event()
        self._written = asyncio.Event()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stopping = False
        self._woken = False
        self._idle = False

    async def serve(self, requests: AsyncIterator[pb.RunRequest | None]) -> None:
        """Serve the stream until the runner is done with it, or it must end.

        Raises:
            DomainError: the stream has ended; what was claimed on it stays leased.
        """
        self._hub.attach(self)
        reader = asyncio.create_task(self._read(requests))
        claimer = asyncio.create_task(self._claim())
        writer = asyncio.create_task(self._write())
        jobs = (reader, claimer, writer)
        aged = asyncio.get_running_loop().call_later(
            self._patience.max_age, self.end, StreamAgedError()
        )
        try:
            await asyncio.wait({*jobs, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            self._stop_claiming()
            reader.cancel()  # what it is told from now on it does not take any more
            await asyncio.wait({reader, claimer})
            await asyncio.gather(*self._handling, return_exceptions=True)
            self._to_write.set()
            await writer
            for job in (reader, claimer):
                if not job.cancelled():
                    job.result()
            if self._ended.done():
                self._ended.result()
        finally:
            aged.cancel()
            for job in (*jobs, *self._handling):
                job.cancel()
            await asyncio.gather(*jobs, *self._handling, return_exceptions=True)
            self._ended.cancel()
            self._hub.leave(self, map(of_id, self._held))
            self._hub.detach(self)

    # -- what the hub tells

    def wants(self, change: Change) -> bool:
        """Tell whether it holds the task."""
        return change.task.id in self._held

    def offer(self, changes: Sequence[Change], _: Mark) -> None:
        """Tell the runner at once of its tasks that were cancelled or have expired."""
        for change in changes:
            if change.task.id in self._held:
                self._notice(change.task, gone=change.kind is Kind.DELETED)
                if change.task.execution is Execution.ENDED:  # reported, on whatever way
                    self._release([change.task.id])

    def end(self, error: Exception) -> None:
        """End the stream."""
        if not self._ended.done():
            self._ended.set_exception(error)

    def _notice(self, task: Task, *, gone: bool = False) -> None:
        unheard = task.terminal and task.execution is Execution.MAY_BE_RUNNING
        if (unheard or gone) and task.id not in self._noticed:
            self._noticed.add(task.id)
            response = pb.RunResponse()
            encode.id_status(response.notice.id_status, task)
            response.notice.message = task.message
            self._push(response)

    # -- reading

    async def _read(self, requests: AsyncIterator[pb.RunRequest | None]) -> None:
        async for parsed in requests:
            request = check_parsed(parsed)
            await self._desk.pace()
            while len(self._outgoing) >= _AT_ONCE:  # a runner that does not read is not read
                self._written.clear()
                await self._written.wait()
            if request.HasField("subscription"):
                self._subscribe(request)
            elif not self._wanted.queues:
                fault = Violation("subscription", "must come first")
                raise InvalidFieldError([fault])
            elif request.WhichOneof("request") is None:
                fault = Violation("request", "must be subscription, extend or finish")
                raise InvalidFieldError([fault])
            else:
                await self._slots.acquire()
                handling = asyncio.create_task(self._traced(request))
                self._handling.add(handling)
                handling.add_done_callback(self._handled)

    def _subscribe(self, request: pb.RunRequest) -> None:
        fields = Fields(self._limits).at("subscription")
        wanted = request.subscription
        self._wanted = Claim(
            queues=wanted_queues(fields, wanted.queues),
            max_tasks=0,
            lease=lease_duration(fields, wanted),
            runner=fields.text("runner", wanted.runner, self._limits.short_text),
            max_bytes=MAX_ANSWER,
        )
        self._capacity = fields.number("capacity", wanted.capacity, 0, self._limits.batch)
        fields.check()
        self._push(pb.RunResponse(tag=request.tag, subscription=wanted))
        self._changed.set()

    async def _traced(self, request: pb.RunRequest) -> None:
        with self._desk.tracer.message("extend" if request.HasField("extend") else "finish"):
            await self._handle(request)

    async def _handle(self, request: pb.RunRequest) -> None:
        if request.HasField("extend"):
            extended = await self._desk.extend(request.extend, self._context)
            self._push(pb.RunResponse(tag=request.tag, extend=extended))
            states = {result.id: int(result.state) for result in extended.results}
            await self._hold([i for i, s in states.items() if s == LeaseState.EXTENDED])
            self._release([i for i, s in states.items() if s == LeaseState.LOST])
        else:
            finished = await self._desk.finish(request.finish, self._context)
            self._push(pb.RunResponse(tag=request.tag, finish=finished))
            await self._release_reported(request.finish.reports, finished)

    async def _release_reported(
        self, reports: Sequence[pb.Report], finished: pb.FinishTasksResponse
    ) -> None:
        """Let go of the tasks reported, but not of those that run on: their reports were wrong."""
        pairs = list(zip(reports, finished.results, strict=True))
        refused = [
            report.id
            for report, result in pairs
            if result.HasField("error") and report.id in self._held
        ]
        found = (await self._desk.claiming.store.tasks(refused)).values()
        run_on = {task.id for task in found if task.status is Status.RUNNING}
        self._release([report.id for report, _ in pairs if report.id not in run_on])

    def _handled(self, handling: asyncio.Task[None]) -> None:
        self._handling.discard(handling)
        self._slots.release()
        error = None if handling.cancelled() else handling.exception()
        if isinstance(error, Exception):
            self.end(error)

    # -- claiming

    async def _claim(self) -> None:
        try:
            while not self._stopping:
                await self._claim_once()
        finally:
            self._pass_on()

    async def _claim_once(self) -> None:
        self._changed.clear()
        room = self._capacity - len(self._held)
        if room <= 0:
            self._pass_on()
            await self._changed.wait()
            return
        mark = self._desk.claiming.arrivals.mark()
        wanted = self._wanted_now(room)
        with self._claim_span():
            claimed = await self._desk.claiming.claim_now(wanted)
        self._woken = self._idle = False
        if claimed.tasks:
            response = pb.RunResponse()
            await self._desk.claiming.encode(response.claims, claimed.tasks)
            if response.claims.claims:
                self._push(response)
                await self._hold([claim.task.id for claim in response.claims.claims])
        if claimed.emptied:
            await self._wait_for_work(wanted.queues, mark)

    def _claim_span(self) -> AbstractContextManager[object]:
        """Begin a claim; to look again, though nothing has come, is in no trace."""
        return untraced() if self._idle else self._desk.tracer.message("claim")

    def _pass_on(self) -> None:
        """Let another have the work for which this runner was woken and that it cannot take."""
        if self._woken:
            self._woken = False
            self._desk.claiming.arrivals.pass_on(self._wanted.queues)

    def _wanted_now(self, room: int) -> Claim:
        wanted = self._wanted
        return Claim(
            queues=wanted.queues,
            max_tasks=room,
            lease=wanted.lease,
            runner=wanted.runner,
            max_bytes=wanted.max_bytes,
        )

    async def _wait_for_work(self, queues: Sequence[str], mark: int) -> None:
        """Wait for work, or for the runner to change its mind."""
        arrivals = asyncio.create_task(self._desk.claiming.arrivals.wait(queues, mark, _WAIT))
        changed = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait({arrivals, changed}, return_when=asyncio.FIRST_COMPLETED)
            self._woken = arrivals.done() and arrivals.result()
            self._idle = not (self._woken or changed.done())
        finally:
            arrivals.cancel()
            changed.cancel()
            await asyncio.gather(arrivals, changed, return_exceptions=True)

    def _stop_claiming(self) -> None:
        self._stopping = True
        self._changed.set()

    async def _hold(self, ids: Iterable[str]) -> None:
        """Take note of tasks that the runner holds, and of what befell them just now."""
        new = [task_id for task_id in ids if task_id not in self._held]
        if not new:
            return
        self._held.update(new)
        self._hub.follow(self, map(of_id, new))
        for task in (await self._desk.claiming.store.tasks(new)).values():
            if task.status is not Status.RUNNING:
                self._notice(task)

    def _release(self, ids: Iterable[str]) -> None:
        gone = [task_id for task_id in ids if task_id in self._held]
        self._held.difference_update(gone)
        self._noticed.difference_update(gone)
        self._hub.leave(self, map(of_id, gone))
        self._changed.set()

    # -- writing

    def _push(self, response: pb.RunResponse) -> None:
        self._outgoing.append(response)
        self._to_write.set()

    async def _write(self) -> None:
        with (
            closing(Outlet(self._context, self._patience.slow_watcher)) as outlet,
            self._hub.attached(outlet),
        ):
            while self._outgoing or not self._stopping:
                if not self._outgoing:
                    self._to_write.clear()
                    await self._to_write.wait()
                    continue
                await outlet.send(self._outgoing.popleft())
                self._written.set()
