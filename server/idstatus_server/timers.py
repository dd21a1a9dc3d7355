"""What happens when its time comes: due, expire, retention, compaction.

Nothing polls: each commit tells the earliest time at which one of its tasks
must be acted on, and the timer sleeps until then.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from idstatus_server.engine import Ledger
from idstatus_server.engine.commands import Expire, MakeDue, PostponeExpiry, Purge
from idstatus_server.engine.ledger import Command
from idstatus_server.errors import DomainError, StoreUnavailableError
from idstatus_server.lifecycle import Status
from idstatus_server.limits import DAY, SECOND
from idstatus_server.model import Change
from idstatus_server.observe import UNOBSERVED, Observer
from idstatus_server.store.base import Clock, Store, Wake
from idstatus_server.tracing import NO_TRACER, Tracer

_log = logging.getLogger(__name__)

_AT_ONCE = 500
# The timer looks at least this often whether there is something to do, in seconds.
_TICK = 0.5
# The heart beats this often, in seconds. A beat that comes much later means that the
# process stood still, or that the clock was set.
_BEAT = 0.25
_STOOD_STILL = 1 * SECOND
_AFTER_ERROR = 1.0
# How often who is off duty asks whether it is on, in seconds.
_OFF_DUTY = 1.0
_COMPACT_AT_ONCE = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long things are kept, in microseconds; ``every`` is between two clean-ups."""

    tasks: int = 7 * DAY
    log: int = DAY
    requests: int = DAY
    every: int = 10 * SECOND


class Timers:
    """Does the server's duties until it is closed.

    ``tell`` is called with what keeps the store out of reach, and with None once it is back. The
    ``observer`` is told when it could not do a duty, and the ``tracer`` of each that it does.
    """

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        retention: Retention,
        *,
        clock: Clock,
        tell: Callable[[StoreUnavailableError | None], None],
        observer: Observer = UNOBSERVED,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._retention = retention
        self._tell = tell
        self._observer = observer
        self._tracer = tracer
        self._next_wake: int | None = None
        self._earlier = asyncio.Event()
        self._last_beat = 0
        self._away = True
        self._outages = 0
        self._jobs = [
            asyncio.create_task(self._beat(), name="heartbeat"),
            asyncio.create_task(self._always(self._act), name="timers"),
            asyncio.create_task(self._always(self._clean_up), name="retention"),
        ]

    def publish(self, changes: Sequence[Change]) -> None:
        """Take note of when the tasks of a commit must be acted on."""
        times = [change.task.wake_time for change in changes]
        earliest = min((time for time in times if time is not None), default=None)
        if earliest is not None and (self._next_wake is None or earliest < self._next_wake):
            self._next_wake = earliest
            self._earlier.set()

    async def close(self) -> None:
        """Stop."""
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)

    async def _always(self, duty: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await duty()
                self._tell(None)
            except DomainError as error:
                if isinstance(error, StoreUnavailableError):
                    self._tell(error)
                    self._observer.store_failed("timer", error)
                self._away = True
                _log.warning("a timer could not do its duty: %s", error)
                await asyncio.sleep(_AFTER_ERROR)
            except Exception:  # noqa: BLE001  # a duty must outlive its bugs
                _log.exception("a timer failed")
                await asyncio.sleep(_AFTER_ERROR)

    async def _commit(self, duty: str, command: Command[object]) -> None:
        with self._tracer.duty(duty):
            await self._ledger.submit(command)

    # -- downtime

    async def _beat(self) -> None:
        while True:
            self._notice_absence()
            await asyncio.sleep(_BEAT)

    def _notice_absence(self) -> None:
        """Take note if the process stood still, or the store was out of reach."""
        now, outages = self._clock(), self._ledger.outages
        stood_still = not -_STOOD_STILL < now - self._last_beat < _STOOD_STILL
        self._away = self._away or stood_still or outages != self._outages
        self._last_beat, self._outages = now, outages

    async def _forgive_downtime(self) -> None:
        """Postpone what would expire if runners could not reach us for a while."""
        self._notice_absence()
        if not self._away:
            return
        self._away = False
        try:
            back = await self._store.now()
            after = Wake()
            while running := await self._store.running(after, _AT_ONCE):
                await self._commit("postpone", PostponeExpiry([task.id for task in running], back))
                after = Wake(running[-1].wake_time or 0, running[-1].seq)
        except DomainError:
            self._away = True
            raise

    # -- due and expire

    async def _act(self) -> None:
        """Act on what is to be done now, then sleep until there is more."""
        if not await self._store.on_duty():
            self._away = True  # whoever takes over begins by forgiving
            await asyncio.sleep(_OFF_DUTY)
            return
        await self._forgive_downtime()
        now = await self._store.now()
        due = await self._store.awake(Status.DELAYED, now, _AT_ONCE)
        if due:
            await self._commit("due", MakeDue([task.id for task in due]))
        expired = await self._store.awake(Status.RUNNING, now, _AT_ONCE)
        if expired:
            ids = [task.id for task in expired]
            await self._commit("expire", Expire(ids, now + _STOOD_STILL))
        if not due and not expired:
            await self._sleep()

    async def _sleep(self) -> None:
        self._earlier.clear()
        self._next_wake = await self._store.next_wake()
        delay = _TICK
        if self._next_wake is not None:
            delay = min(_TICK, max(0.0, (self._next_wake - await self._store.now()) / SECOND))
        try:
            async with asyncio.timeout(delay):
                await self._earlier.wait()
        except TimeoutError:
            return

    # -- retention and compaction

    async def _clean_up(self) -> None:
        keep = self._retention
        if not await self._store.on_duty():
            await asyncio.sleep(_OFF_DUTY)
            return
        now = await self._store.now()
        while ids := await self._store.outlived(now, keep.tasks, _AT_ONCE):
            await self._commit("purge", Purge(ids))
        while await self._store.compact(now - keep.log, _COMPACT_AT_ONCE):
            await asyncio.sleep(0)
        while await self._store.forget(now - keep.requests, _COMPACT_AT_ONCE):
            await asyncio.sleep(0)
        await asyncio.sleep(keep.every / SECOND)
