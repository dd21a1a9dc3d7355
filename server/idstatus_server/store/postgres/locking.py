"""How transactions begin; and the head row: whoever has locked it may write."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from idstatus_server.store.postgres.hosts import LOST, is_lost

NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
"""The database's time, in microseconds."""

# Whoever falls silent with the head in its hands, frozen or cut off, must let go of it before
# those who wait lose patience; and who reads must not hold back vacuum for hours. Set for a
# transaction, it costs no round trip and no pooler minds.
_SILENT = "3s"
_SILENCE = f"""
SET LOCAL idle_in_transaction_session_timeout = '{_SILENT}';
SET LOCAL tcp_user_timeout = '{_SILENT}'"""
BEGIN = f"BEGIN ISOLATION LEVEL READ COMMITTED; {_SILENCE}"
BEGIN_READING = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_SILENCE}"
HOLD_HEAD = "SELECT FROM idstatus.head FOR UPDATE"

# Between the two halves of a prepared statement PostgreSQL waits for its client without an end:
# it does not count as idle. So others look for it.
FREE_HEAD = f"""
SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE relation = 'idstatus.head'::regclass AND mode = 'RowShareLock'
  AND datname = current_database() AND usename = current_user
  AND state = 'active' AND wait_event_type = 'Client'
  AND state_change < clock_timestamp() - interval '{_SILENT}'"""  # noqa: S608  # all ours
"""Ends the sessions that hold the head, and whose process fell silent amid a statement."""

# The clock is read once the lock is held: time must not run backwards from one to the next.
LOCK_HEAD = f"""
WITH locked AS MATERIALIZED (SELECT revision, time FROM idstatus.head FOR UPDATE)
SELECT revision, (
  SELECT coalesce(min(l.time), 0) FROM idstatus.log AS l WHERE l.revision = locked.revision
), time, {NOW}
FROM locked"""  # noqa: S608  # all ours
"""Locks it and returns its revision, that one's time, the last commit's time, and the time now."""


@asynccontextmanager
async def begun(db: Any, begin: str) -> AsyncIterator[None]:
    """Hold a transaction, which is undone at the end of the block unless it was committed.

    On a connection that is lost or given up nothing more is said: it ends with it.
    """
    await db.execute(begin)
    given_up = False
    try:
        yield
    except (asyncio.CancelledError, *LOST):
        given_up = True
        raise
    finally:
        if not given_up and not is_lost(db) and db.is_in_transaction():
            await db.execute("ROLLBACK")
