"""Hears of what other processes commit: hints, and a look every second that makes sure."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from idstatus_server.store.postgres.hosts import LOST, connect, in_one_line
from idstatus_server.store.postgres.locking import FREE_HEAD
from idstatus_server.store.postgres.writing import CHANNEL

_log = logging.getLogger(__name__)

# How often the log is looked at without a hint, and how long the listener may take to say that
# it is there, in seconds.
_POLL = 1.0
_PATIENCE = 3.0
# A listener that can only read no longer hears: another host has taken over.
_IN_VAIN = "SELECT current_setting('transaction_read_only') = 'on'"


class Listening:
    """Calls ``wake`` at others' hints and every second, ``changed`` with the queues that were set.

    It also sees to it that nobody who fell silent keeps the head from the others.
    ``writer`` tells the database's process that makes our own commits: we know of them already.
    """

    def __init__(
        self,
        url: str,
        wake: Callable[[], None],
        changed: Callable[[str], None],
        writer: Callable[[], int],
    ) -> None:
        self._url = url
        self._wake = wake
        self._changed = changed
        self._writer = writer
        # Apart: a connection that has fallen silent must not keep us from looking.
        self._jobs = (
            asyncio.create_task(self._look(), name="look"),
            asyncio.create_task(self._listen(), name="listen"),
        )

    async def close(self) -> None:
        """Stop."""
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            self._wake()
            await asyncio.sleep(_POLL)

    async def _listen(self) -> None:
        while True:
            try:
                await self._hear()
            except LOST as error:
                _log.warning("no hints from the database: %s", in_one_line(error))
            await asyncio.sleep(_POLL)

    async def _hear(self) -> None:
        """Listen for as long as the connection is one to the host that writes."""
        db = await connect(self._url)
        try:
            await db.add_listener(CHANNEL, self._take)
            while True:
                if await db.fetch(FREE_HEAD, timeout=_PATIENCE):
                    _log.warning("ended the session of a server that fell silent amid a commit")
                if await db.fetchval(_IN_VAIN, timeout=_PATIENCE):
                    return
                await asyncio.sleep(_POLL)
        finally:
            db.terminate()

    def _take(self, _db: object, sender: int, _channel: str, queue: Any) -> None:
        if queue:
            self._changed(queue)
        elif sender != self._writer():  # else the log would be read once for each of our commits
            self._wake()
