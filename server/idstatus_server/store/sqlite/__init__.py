"""The embedded store: one SQLite file, one process."""

from idstatus_server.store.sqlite.backup import copy_database
from idstatus_server.store.sqlite.opening import MEMORY
from idstatus_server.store.sqlite.snapshot import sqlite_snapshot
from idstatus_server.store.sqlite.store import SqliteStore, system_clock

__all__ = ["MEMORY", "SqliteStore", "copy_database", "sqlite_snapshot", "system_clock"]
