"""One state of the file, for those who look it over."""

import json
import sqlite3
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from typing import Any

from idstatus_server.errors import StartError, StoreDamagedError
from idstatus_server.store.sqlite.opening import MEMORY, open_reader
from idstatus_server.store.sqlite.trouble import translated


class SqliteSnapshot:
    """What one read transaction sees; a server may commit beside it."""

    def __init__(self, db: sqlite3.Connection, path: str) -> None:
        self._db = db
        self._path = path

    async def damage(self) -> AsyncIterator[str]:
        """Yield what SQLite finds wrong with pages and indexes, its first hundred findings."""
        try:
            for said in self._findings("PRAGMA integrity_check"):
                yield said
        except StoreDamagedError:  # it gives up at some damage, and does not say where that is
            tables = await self._tables()
            for table in tables:
                try:
                    for said in self._findings(f"PRAGMA integrity_check({table})"):
                        yield f"{table}: {said}"
                except StoreDamagedError as error:
                    yield f"{table}: {error.metadata['damage']}"

    def _findings(self, pragma: str) -> Iterator[str]:
        with translated(self._path):
            for (said,) in self._db.execute(pragma):
                if said != "ok":
                    yield said

    async def _tables(self) -> list[str]:
        sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        return [name async for (name,) in self.rows(sql)]

    async def rows(self, sql: str, ids: Collection[str] = ()) -> AsyncIterator[Sequence[Any]]:
        """Yield the rows of a query."""
        parameters = (json.dumps(list(ids)),) if ids else ()
        query = sql.format(ids="(SELECT value FROM json_each(?))")
        with translated(self._path):
            for row in self._db.execute(query, parameters):
                yield row


@asynccontextmanager
async def sqlite_snapshot(path: str) -> AsyncIterator[SqliteSnapshot]:
    """Hold one state of a file.

    Raises:
        StartError: the file cannot be read; the message tells why in one line.
    """
    if path == MEMORY:
        raise StartError("a store in memory is its server's own: nobody else can read it")
    with closing(open_reader(path)) as db:
        db.execute("BEGIN")
        yield SqliteSnapshot(db, path)
