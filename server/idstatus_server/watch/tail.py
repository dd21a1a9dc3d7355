"""The tail of the log: brings every commit to the hub, in order, whoever made it.

This process's own commits are handed over as they happen. Where another process has
committed in between, the log is read instead: a hint from the store, or the store's own
slow poll, wakes the tail, and however many hints there are, the log is read once.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from idstatus_server.errors import RevisionError, StoreUnavailableError
from idstatus_server.model import Change, Mark
from idstatus_server.observe import UNOBSERVED, Observer
from idstatus_server.store.base import Store
from idstatus_server.watch.arrivals import Arrivals
from idstatus_server.watch.hub import Hub

_log = logging.getLogger(__name__)

_AT_ONCE = 1000
_AFTER_ERROR = 0.5

Listener = Callable[[Sequence[Change]], None]


class Tail:
    """Tells the hub, the arrivals and who else wants to hear of each commit's changes.

    The ``observer`` is told when the log cannot be read.
    """

    def __init__(
        self,
        store: Store,
        hub: Hub,
        arrivals: Arrivals,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._store = store
        self._observer = observer
        self._hub = hub
        self._arrivals = arrivals
        self._listeners: list[Listener] = [hub.publish, arrivals.publish]
        self._behind = asyncio.Event()
        self._job = asyncio.create_task(self._work(), name="tail")
        store.follow(self._behind.set, arrivals.open)

    def tell(self, listener: Listener) -> None:
        """Let one more hear of each commit from now on."""
        self._listeners.append(listener)

    def publish(self, before: Mark, changes: Sequence[Change]) -> None:
        """Take a commit of this process, made on top of a mark."""
        if before == self._hub.newest:
            self._deliver(changes)
        else:
            self._behind.set()

    async def failed(self) -> None:
        """Return once the tail has stopped, or raise the bug that has stopped it."""
        await asyncio.shield(self._job)

    async def close(self) -> None:
        """Stop."""
        self._job.cancel()
        await asyncio.gather(self._job, return_exceptions=True)

    def _deliver(self, changes: Sequence[Change]) -> None:
        for listener in self._listeners:
            listener(changes)

    async def _work(self) -> None:
        while True:
            await self._behind.wait()
            self._behind.clear()
            try:
                await self._read()
            except StoreUnavailableError as error:
                self._observer.store_failed("log", error)
                _log.warning("the log cannot be read: %s", error)
                await asyncio.sleep(_AFTER_ERROR)
                self._behind.set()

    async def _read(self) -> None:
        try:
            while changes := await self._store.log(self._hub.newest, _AT_ONCE):
                fresh = [c for c in changes if c.revision > self._hub.newest.revision]
                if fresh:
                    self._deliver(fresh)
        except RevisionError as error:
            await self._restart(error)

    async def _restart(self, lost: RevisionError) -> None:
        """Begin anew where the log now ends, for it does not go on from where we were.

        Either the database has lost its end, or this process stood still for longer than
        the log is kept. Whoever watches is told when it resumes from its token.
        """
        newest = (await self._store.head()).newest
        _log.error("the log does not go on from %s: %s", self._hub.newest, lost)
        self._hub.restart(
            newest, StoreUnavailableError("the log does not go on: resume", cause=lost)
        )
        self._arrivals.open_all()
