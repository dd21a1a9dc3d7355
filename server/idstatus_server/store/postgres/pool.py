"""Lends connections, each for a bounded time, and makes them anew after a failover."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from typing import Any

import asyncpg

from idstatus_server.store.postgres.hosts import LOST, PATIENCE, connect, is_lost


class Pool:
    """At most so many connections to whichever host of the URL writes.

    Raises, from all methods: one of OUT_OF_REACH, after a bounded time.
    """

    def __init__(self, url: str, most: int) -> None:
        # None is kept open for its own sake: the driver's upkeep would log each failure's trace.
        make: Any = _connect  # the stubs ask for each of the driver's arguments by name
        self._pool = asyncpg.create_pool(url, connect=make, reset=_keep, min_size=0, max_size=most)

    async def open(self) -> None:
        """Make it ready; it connects when it must."""
        await self._pool

    async def close(self) -> None:
        """Wait a while for what is lent, then close it all."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._pool.close()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        """Lend a connection.

        One that has failed, or was given up, is cut: nobody knows what it would say next. If it
        kept us waiting or can only read, another host may have taken over: whoever comes next
        connects anew.
        """
        if self._pool.is_closing():
            raise ConnectionError("the store is closed")
        db = await self._pool.acquire(timeout=PATIENCE)
        try:
            yield db
        except (asyncio.CancelledError, *LOST) as error:
            lost = isinstance(error, asyncpg.InternalClientError) or is_lost(db)
            with suppress(asyncpg.InterfaceError):
                db.terminate()
            if isinstance(error, TimeoutError | asyncpg.ReadOnlySQLTransactionError):
                await self._pool.expire_connections()
            if lost and isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError):
                raise ConnectionError("the connection is lost") from error
            raise
        finally:
            with suppress(*LOST):  # what was done is done, even if the connection is lost by now
                await self._pool.release(db)

    async def fetch(self, sql: str, *parameters: object) -> list[Any]:
        """Return the rows of a query."""
        async with self.acquire() as db:
            rows: list[Any] = await db.fetch(sql, *parameters)
            return rows

    async def fetchrow(self, sql: str, *parameters: object) -> Any:
        """Return the first row of a query."""
        return (await self.fetch(sql, *parameters))[0]

    async def fetchval(self, sql: str, *parameters: object) -> Any:
        """Return the first value of a query, None if it has no row."""
        rows = await self.fetch(sql, *parameters)
        return rows[0][0] if rows else None


async def _connect(*arguments: Any, **options: Any) -> Any:
    """Connect, in a context of its own: what is heard on it later is not of the call at hand."""
    return await asyncio.create_task(connect(*arguments, **options), context=Context())


async def _keep(_: object) -> None:
    """Leave a connection as it comes back: we set nothing that outlives a transaction.

    The driver's own reset would be a round trip for each call.
    """
