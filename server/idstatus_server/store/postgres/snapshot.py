"""One state of the database, for those who look it over."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from idstatus_server.errors import StartError
from idstatus_server.store.postgres.hosts import in_one_line
from idstatus_server.store.postgres.opening import connect_to_start
from idstatus_server.store.postgres.trouble import translated
from idstatus_server.store.versions import check_current, steps

# How long the database may take for the next rows, in seconds: it sorts the log by tasks first.
_PATIENCE = 3600.0
_AT_ONCE = 200


class PostgresSnapshot:
    """What one read-only transaction sees; servers may commit beside it."""

    def __init__(self, db: asyncpg.Connection) -> None:
        self._db = db

    async def damage(self) -> AsyncIterator[str]:
        """Yield nothing: pg_amcheck and the checksums of the pages are for that."""
        nothing: tuple[str, ...] = ()
        for said in nothing:
            yield said

    async def rows(self, sql: str, ids: Collection[str] = ()) -> AsyncIterator[Sequence[Any]]:
        """Yield the rows of a query."""
        parameters = (list(ids),) if ids else ()
        query = sql.format(ids="(SELECT unnest($1::text[]))")
        with translated():
            async for row in self._db.cursor(query, *parameters, prefetch=_AT_ONCE):
                yield tuple(row)


@asynccontextmanager
async def postgres_snapshot(url: str) -> AsyncIterator[PostgresSnapshot]:
    """Hold one state of a database, which may be a standby.

    Raises:
        StartError: it cannot be read; the message tells why in one line.
    """
    db = await connect_to_start(url, command_timeout=_PATIENCE, target_session_attrs="any")
    try:
        with translated():
            async with db.transaction(isolation="repeatable_read", readonly=True):
                await _enter(db)
                yield PostgresSnapshot(db)
    finally:
        db.terminate()


async def _enter(db: asyncpg.Connection) -> None:
    """Make sure that the schema is ours, and let its tables be named without it."""
    try:
        version = await db.fetchval("SELECT max(version) FROM idstatus.migrations")
    except asyncpg.PostgresError as error:
        raise StartError(f"there is no store in the database: {in_one_line(error)}") from error
    check_current(version, len(steps(__package__)))
    await db.execute("SET LOCAL search_path = idstatus")
