"""One state of the file, for those who look it over."""

import json
import sqlite3
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, closing
from typing import Any

from idstatus_server.errors import StartError
from idstatus_server.store.sqlite.opening import MEMORY, open_reader
from idstatus_server.store.sqlite.trouble import translated


class SqliteSnapshot:
    """What one read transaction sees; a server may commit beside it."""

    def __init__(self, db: sqlite3.Connection, path: str) -> None:
        self._db = db
        self._path = path

    async def damage(self) -> AsyncIterator[str]:
        """Yield what SQLite finds wrong with pages and indexes, its first hundred findings."""
        with translated(self._path):
            for (said,) in self._db.execute("PRAGMA integrity_check"):
                if said != "ok":
                    yield said

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
