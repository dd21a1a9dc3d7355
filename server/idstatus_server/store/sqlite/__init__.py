"""The embedded store: one SQLite file, one process."""

from idstatus_server.store.sqlite.store import SqliteStore, system_clock

__all__ = ["SqliteStore", "system_clock"]
