"""The store for many server processes: one PostgreSQL."""

from idstatus_server.store.postgres.snapshot import postgres_snapshot
from idstatus_server.store.postgres.store import PostgresStore

__all__ = ["PostgresStore", "postgres_snapshot"]
