"""A store that cannot be written to, for as long as a test likes."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from harness import ServerProcess


@contextmanager
def locked(server: ServerProcess) -> Iterator[None]:
    """Keep the server from writing: another program holds the write lock."""
    with closing(sqlite3.connect(server.folder / "idstatus.db", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")
