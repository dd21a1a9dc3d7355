"""The embedded store: one SQLite file, one process."""

from idstatus_server.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
