"""Turns at what only so many may do at once."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from idstatus_server.access import caller


class Turns:
    """Lets so many in at once; of those who wait, one of each caller in rotation.

    So who asks for much waits for what they have asked for, and others do not.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold a turn, once it has come."""
        if self._free:
            self._free -= 1
        else:
            await self._wait()
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self) -> None:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller.get().name, deque()).append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():  # it came just as we gave up
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """Give a turn to whoever is next; the caller's others go to the end of the rotation."""
        while self._waiting:
            name, line = next(iter(self._waiting.items()))
            del self._waiting[name]
            first = line.popleft()
            if line:
                self._waiting[name] = line
            if not first.done():
                first.set_result(None)
                return
        self._free += 1
