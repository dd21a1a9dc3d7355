"""What the timers ask of the database, and what they tidy up."""

import sqlite3

from idstatus_server.lifecycle import Status
from idstatus_server.model import Task
from idstatus_server.store.base import Wake
from idstatus_server.store.rows import read_task

_AWAKE = "SELECT doc FROM tasks WHERE status = ? AND wake_time <= ? ORDER BY wake_time LIMIT ?"
_NEXT_WAKE = """
SELECT min(earliest) FROM (
  SELECT min(wake_time) AS earliest FROM tasks WHERE status = 1 AND wake_time IS NOT NULL
  UNION ALL SELECT min(wake_time) FROM tasks WHERE status = 3 AND wake_time IS NOT NULL)"""
_RUNNING = """
SELECT doc FROM tasks WHERE status = 3 AND wake_time >= ?1 AND (wake_time > ?1 OR seq > ?2)
ORDER BY wake_time, seq LIMIT ?3"""
# CROSS JOIN: queues first, so that the index on end_time is searched and not scanned.
_OUTLIVED = """
SELECT t.id FROM queues AS q CROSS JOIN tasks AS t ON t.queue = q.name
WHERE t.end_time <= :now - coalesce(q.doc ->> '$.retention', :retention) LIMIT :limit"""
_COMPACTABLE = """
SELECT max(revision) FROM (SELECT revision, time FROM log ORDER BY revision LIMIT :limit + 1)
WHERE time < :before"""
_FORGETTABLE = """
SELECT max(number) FROM (SELECT number, time FROM requests ORDER BY number LIMIT :limit)
WHERE time < :before"""


def awake(db: sqlite3.Connection, status: Status, now: int, limit: int) -> list[Task]:
    """Return tasks whose time has come."""
    return [read_task(doc) for (doc,) in db.execute(_AWAKE, (status, now, limit))]


def next_wake(db: sqlite3.Connection) -> int | None:
    """Return the earliest time at which there is something to do."""
    (earliest,) = db.execute(_NEXT_WAKE).fetchone()
    return None if earliest is None else int(earliest)


def running(db: sqlite3.Connection, after: Wake, limit: int) -> list[Task]:
    """Return running tasks in the order of their wake times."""
    return [read_task(doc) for (doc,) in db.execute(_RUNNING, (*after, limit))]


def outlived(db: sqlite3.Connection, now: int, retention: int, limit: int) -> list[str]:
    """Return ids of finished tasks that were kept long enough."""
    bounds = {"now": now, "retention": retention, "limit": limit}
    return [task_id for (task_id,) in db.execute(_OUTLIVED, bounds)]


def compact(db: sqlite3.Connection, before: int, limit: int) -> int:
    """Drop the oldest changes; the caller commits."""
    bounds = {"before": before, "limit": limit}
    (last,) = db.execute(_COMPACTABLE, bounds).fetchone()
    if last is None:
        return 0
    db.execute("UPDATE head SET compacted = ?", (last,))
    return db.execute("DELETE FROM log WHERE revision < ?", (last,)).rowcount


def forget(db: sqlite3.Connection, before: int, limit: int) -> int:
    """Drop the oldest request ids; the caller commits."""
    (last,) = db.execute(_FORGETTABLE, {"before": before, "limit": limit}).fetchone()
    if last is None:
        return 0
    return db.execute("DELETE FROM requests WHERE number <= ?", (last,)).rowcount
