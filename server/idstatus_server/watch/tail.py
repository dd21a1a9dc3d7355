"""The tail of the log: brings every commit to the hub, in order, whoever made it.

This process's own commits are handed over as they happen. Where another process has
committed in between, the log is read instead: a hint from the store, or the store's own
slow poll, wakes the tail, and however many hints there are, the log is read once.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from idstatus_server.errors import StoreUnavailableError
from idstatus_server.model import Change
from idstatus_server.store.base import Store
from idstatus_server.watch.hub import Hub

_log = logging.getLogger(__name__)

_AT_ONCE = 1000
_AFTER_ERROR = 0.5

Listener = Callable[[Sequence[Change]], None]


class Tail:
    """Calls the listeners with each commit's changes; the hub comes first."""

    def __init__(self, store: Store, hub: Hub, listeners: Sequence[Listener]) -> None:
        self._store = store
        self._hub = hub
        self._listeners = (hub.publish, *listeners)
        self._behind = asyncio.Event()
        self._job = asyncio.create_task(self._work(), name="tail")
        store.follow(self._behind.set)

    def publish(self, changes: Sequence[Change]) -> None:
        """Take a commit of this process."""
        if changes[0].revision == self._hub.head + 1:
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
                _log.warning("the log cannot be read: %s", error)
                await asyncio.sleep(_AFTER_ERROR)
                self._behind.set()

    async def _read(self) -> None:
        while changes := await self._store.log(self._hub.head, _AT_ONCE):
            fresh = [change for change in changes if change.revision > self._hub.head]
            if fresh:
                self._deliver(fresh)
