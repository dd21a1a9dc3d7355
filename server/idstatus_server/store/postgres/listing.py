"""Lists of tasks: as they stand, and as they stood."""

from collections.abc import Sequence
from typing import Any

from idstatus_server.errors import RevisionCompactedError
from idstatus_server.lifecycle import Status
from idstatus_server.model import Filter, Mark, Task
from idstatus_server.store import rows
from idstatus_server.store.base import Page
from idstatus_server.store.rows import matching_pairs, read_task

_BY_PAIR = """
SELECT t.doc FROM unnest($4::text[], $5::smallint[]) AS pair (queue, status), LATERAL (
  SELECT seq, doc FROM idstatus.tasks
  WHERE queue = pair.queue AND status = pair.status AND seq > $1 AND seq < $2
  ORDER BY seq {order} LIMIT $3) AS t
ORDER BY t.seq {order} LIMIT $3"""
_ALL = "SELECT doc FROM idstatus.tasks WHERE seq > $1 AND seq < $2 ORDER BY seq {order} LIMIT $3"
_CHAIN = """
SELECT doc FROM idstatus.tasks WHERE (root_id = $4 OR id = $4) AND seq > $1 AND seq < $2
ORDER BY seq {order} LIMIT $3"""
# The first change after a revision holds, as its "before", the task at that revision.
_FIRST_CHANGES = """
SELECT DISTINCT ON (seq) seq, before FROM idstatus.log
WHERE revision > $1 AND seq > $2 AND seq <= $3 ORDER BY seq, revision LIMIT $4"""
_AT = """
SELECT n.id, coalesce((SELECT before FROM idstatus.log WHERE seq = n.seq AND revision > $1
                       ORDER BY revision LIMIT 1), n.doc)
FROM (SELECT id, seq, doc FROM idstatus.tasks WHERE id = ANY($2)
      UNION ALL SELECT id, seq, NULL FROM idstatus.used_ids WHERE id = ANY($2)) AS n
WHERE n.seq <= $1"""
_MARK = """
SELECT revision, compacted, (SELECT l.time FROM idstatus.log AS l WHERE l.revision = $1)
FROM idstatus.head"""
# Two subqueries: each is one step in the index, where both at once would be a scan.
_BOUNDS = "SELECT (SELECT min(seq) FROM idstatus.tasks), (SELECT max(seq) + 1 FROM idstatus.tasks)"
_PAST_ALL = 1 << 62


async def counts(db: Any) -> dict[str, dict[Status, int]]:
    """Return how many tasks there are by queue and status; zeros are left out."""
    found: dict[str, dict[Status, int]] = {}
    for queue, status, tasks in await db.fetch("SELECT queue, status, tasks FROM idstatus.counts"):
        if tasks:
            found.setdefault(queue, {})[Status(status)] = tasks
    return found


async def find(db: Any, wanted: Filter, page: Page) -> list[Task]:
    """Return the next tasks that may match."""
    low, high = await _span(db, wanted)
    if page.after and page.newest_first:
        high = min(high, page.after)
    elif page.after:
        low = max(low, page.after)
    bounds: list[object] = [low, high, page.limit]
    if wanted.root_id:
        sql = _CHAIN
        bounds.append(wanted.root_id)
    elif wanted.queues or wanted.statuses:
        sql = _BY_PAIR
        pairs = matching_pairs(await counts(db), wanted)
        bounds += [[queue for queue, _ in pairs], [status for _, status in pairs]]
    else:
        sql = _ALL
    order = "DESC" if page.newest_first else "ASC"
    return [read_task(row[0]) for row in await db.fetch(sql.format(order=order), *bounds)]


async def find_at(db: Any, revision: int, wanted: Filter, page: Page) -> tuple[list[Task], int]:
    """Return tasks as they stood at a revision, and the ``seq`` to go on from."""
    await check_revision(db, revision)
    now = await find(db, wanted, Page(page.after, page.limit))
    now = [task for task in now if task.seq <= revision]
    more = len(now) == page.limit
    end = now[-1].seq if more else revision
    changed = await db.fetch(_FIRST_CHANGES, revision, page.after, end, page.limit)
    if len(changed) == page.limit:  # perhaps there are more: the page ends with these
        more, end = True, changed[-1][0]
    found = {task.seq: task for task in now if task.revision <= revision and task.seq <= end}
    found |= {seq: read_task(before) for seq, before in changed if before}
    return [found[seq] for seq in sorted(found)], end if more else 0


async def tasks_at(db: Any, revision: int, ids: Sequence[str]) -> dict[str, Task]:
    """Return the tasks that existed at a revision, as they stood."""
    await check_revision(db, revision)
    found = await db.fetch(_AT, revision, list(ids))
    return {task_id: read_task(doc) for task_id, doc in found if doc}


async def check_mark(db: Any, mark: Mark) -> None:
    """Refuse a mark older than the log, or not of this history."""
    rows.check_mark(mark, *await db.fetchrow(_MARK, mark.revision))


async def check_revision(db: Any, revision: int) -> None:
    """Refuse a revision older than the log."""
    oldest = await db.fetchval("SELECT compacted FROM idstatus.head")
    if revision < oldest:
        raise RevisionCompactedError(revision, oldest)


async def _span(db: Any, wanted: Filter) -> tuple[int, int]:
    """Return the bounds of ``seq``, both left out, of the tasks created in the time asked for."""
    low = await _first_created(db, wanted.created_from) - 1 if wanted.created_from else -1
    high = _PAST_ALL
    if wanted.created_before is not None:
        high = await _first_created(db, wanted.created_before)
    return low, high


async def _first_created(db: Any, time: int) -> int:
    """Return the ``seq`` of the first task created at a time or later, by bisection.

    Creation times rise with ``seq``, so no index is needed.
    """
    low, high = await db.fetchrow(_BOUNDS)
    if low is None:
        return 0
    while low < high:
        middle = (low + high) // 2
        doc = await db.fetchval(
            "SELECT doc FROM idstatus.tasks WHERE seq >= $1 ORDER BY seq LIMIT 1", middle
        )
        task = read_task(doc)
        if task.create_time < time:
            low = task.seq + 1
        else:
            high = middle
    return int(low)
