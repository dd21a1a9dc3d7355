"""What the timers ask of the database, and what they tidy up."""

from typing import Any

from idstatus_server.lifecycle import Status
from idstatus_server.model import Task
from idstatus_server.store.base import Wake
from idstatus_server.store.rows import read_task

_AWAKE = """
SELECT doc FROM idstatus.tasks WHERE status = $1 AND wake_time <= $2 ORDER BY wake_time LIMIT $3"""
_NEXT_WAKE = """
SELECT least(
  (SELECT min(wake_time) FROM idstatus.tasks WHERE status = 1 AND wake_time IS NOT NULL),
  (SELECT min(wake_time) FROM idstatus.tasks WHERE status = 3 AND wake_time IS NOT NULL))"""
_RUNNING = """
SELECT doc FROM idstatus.tasks WHERE status = 3 AND wake_time >= $1 AND (wake_time > $1 OR seq > $2)
ORDER BY wake_time, seq LIMIT $3"""
_OUTLIVED = """
SELECT t.id FROM idstatus.queues AS q JOIN idstatus.tasks AS t ON t.queue = q.name
WHERE t.end_time <= $1 - coalesce((q.doc::json ->> 'retention')::bigint, $2) LIMIT $3"""
_COMPACTABLE = """
SELECT max(revision)
FROM (SELECT revision, time FROM idstatus.log ORDER BY revision LIMIT $2 + 1) AS oldest
WHERE time < $1"""
_FORGETTABLE = """
SELECT max(number)
FROM (SELECT number, time FROM idstatus.requests ORDER BY number LIMIT $2) AS oldest
WHERE time < $1"""


async def awake(db: Any, status: Status, now: int, limit: int) -> list[Task]:
    """Return tasks whose time has come."""
    return [read_task(row[0]) for row in await db.fetch(_AWAKE, status, now, limit)]


async def next_wake(db: Any) -> int | None:
    """Return the earliest time at which there is something to do."""
    earliest: int | None = await db.fetchval(_NEXT_WAKE)
    return earliest


async def running(db: Any, after: Wake, limit: int) -> list[Task]:
    """Return running tasks in the order of their wake times."""
    return [read_task(row[0]) for row in await db.fetch(_RUNNING, *after, limit)]


async def outlived(db: Any, now: int, retention: int, limit: int) -> list[str]:
    """Return ids of finished tasks that were kept long enough."""
    return [row[0] for row in await db.fetch(_OUTLIVED, now, retention, limit)]


async def compact(db: Any, before: int, limit: int) -> int:
    """Drop the oldest changes; the caller commits."""
    last = await db.fetchval(_COMPACTABLE, before, limit)
    if last is None:
        return 0
    await db.execute("UPDATE idstatus.head SET compacted = $1", last)
    return _deleted(await db.execute("DELETE FROM idstatus.log WHERE revision < $1", last))


async def forget(db: Any, before: int, limit: int) -> int:
    """Drop the oldest request ids; the caller commits."""
    last = await db.fetchval(_FORGETTABLE, before, limit)
    if last is None:
        return 0
    return _deleted(await db.execute("DELETE FROM idstatus.requests WHERE number <= $1", last))


def _deleted(tag: str) -> int:
    """Return the number of rows from a command's tag, such as "DELETE 5"."""
    return int(tag.rpartition(" ")[2])
