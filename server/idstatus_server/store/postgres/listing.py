"""Lists of tasks, as they stand and as they stood, and of queues."""

from collections.abc import Sequence
from typing import Any

from idstatus_server.access import ALL
from idstatus_server.errors import RevisionCompactedError
from idstatus_server.lifecycle import Status
from idstatus_server.model import Change, Filter, Mark, QueueState, Task
from idstatus_server.store import rows
from idstatus_server.store.base import Page
from idstatus_server.store.rows import read_change, read_queue_state, read_task

# Of each pair of queue and status that has tasks the next one, from an index. A page never needs
# more pairs than tasks; of these the next tasks, and then the first of all.
_BY_PAIR = """
WITH pairs AS (
  SELECT c.queue, c.status FROM idstatus.counts AS c, LATERAL (
    SELECT seq FROM idstatus.tasks
    WHERE queue = c.queue AND status = c.status AND seq > $1 AND seq < $2
    ORDER BY seq {order} LIMIT 1) AS next
  WHERE c.tasks > 0 AND c.status = ANY($4::smallint[]) {in_queues}
  ORDER BY next.seq {order} LIMIT $3)
SELECT t.doc FROM pairs, LATERAL (
  SELECT seq, doc FROM idstatus.tasks
  WHERE queue = pairs.queue AND status = pairs.status AND seq > $1 AND seq < $2
  ORDER BY seq {order} LIMIT $3) AS t
ORDER BY t.seq {order} LIMIT $3"""
_IN_QUEUES = "AND c.queue = ANY($5::text[])"
_IN_SCOPE = "AND c.queue LIKE ANY($5::text[])"
_ALL = "SELECT doc FROM idstatus.tasks WHERE seq > $1 AND seq < $2 ORDER BY seq {order} LIMIT $3"
_CHAIN = """
SELECT doc FROM idstatus.tasks WHERE (root_id = $4 OR id = $4) AND seq > $1 AND seq < $2
ORDER BY seq {order} LIMIT $3"""
# In the order of claims: what has a higher priority, then what came first. Each is one stretch of
# their index, so what waits behind is not looked at; the order keeps the planner to that index.
_AHEAD = """
SELECT count(*) FROM (
  (SELECT 1 FROM idstatus.tasks WHERE queue = $1 AND status = 2 AND priority > $2
   ORDER BY priority DESC, queued_revision LIMIT $4)
  UNION ALL
  (SELECT 1 FROM idstatus.tasks WHERE queue = $1 AND status = 2 AND priority = $2
   AND queued_revision < $3 ORDER BY queued_revision LIMIT $4)
  LIMIT $4) AS before"""
# The first change after a revision holds, as its "before", the task at that revision.
_FIRST_CHANGES = """
SELECT DISTINCT ON (seq) seq, before FROM idstatus.log
WHERE revision > $1 AND seq > $2 AND seq <= $3 ORDER BY seq, revision LIMIT $4"""
# Where a page ends that looks at so many rows of the log, task by task.
_REACH = """
SELECT seq FROM idstatus.log WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT 1 OFFSET $3"""
_AT = """
SELECT n.id, coalesce((SELECT before FROM idstatus.log WHERE seq = n.seq AND revision > $1
                       ORDER BY revision LIMIT 1), n.doc)
FROM (SELECT id, seq, doc FROM idstatus.tasks WHERE id = ANY($2)
      UNION ALL SELECT id, seq, NULL FROM idstatus.used_ids WHERE id = ANY($2)) AS n
WHERE n.seq <= $1"""
# One statement, so one state: what tells whether the log goes on from a mark, and beside it what
# follows there. A unit that the limit would cut is read to its end.
_LOG = """
SELECT h.revision, h.compacted, (SELECT m.time FROM idstatus.log AS m WHERE m.revision = $1),
  l.revision, l.unit, l.kind, l.before, l.after
FROM idstatus.head AS h LEFT JOIN idstatus.log AS l ON l.revision > $1 AND l.revision <= (
  SELECT max(unit) FROM (
    SELECT unit FROM idstatus.log WHERE revision > $1 ORDER BY revision LIMIT $2) AS page)
ORDER BY l.revision"""
# Of the task queued first: the first of each priority come from an index.
_QUEUES = """
SELECT q.doc, (
  SELECT coalesce(json_object_agg(status, tasks)::text, '{{}}')
  FROM idstatus.counts WHERE queue = q.name), (
  SELECT t.doc FROM generate_series(0, 9) AS p (priority), LATERAL (
    SELECT doc, queued_revision FROM idstatus.tasks
    WHERE queue = q.name AND status = 2 AND priority = p.priority
    ORDER BY queued_revision LIMIT 1) AS t
  ORDER BY t.queued_revision LIMIT 1)
FROM idstatus.queues AS q WHERE {which}"""
_NEXT = "name > $1 AND name LIKE ANY($3::text[]) ORDER BY name LIMIT $2"
_NAMED = "name = $1"
# Two subqueries: each is one step in the index, where both at once would be a scan.
_BOUNDS = "SELECT (SELECT min(seq) FROM idstatus.tasks), (SELECT max(seq) + 1 FROM idstatus.tasks)"
_PAST_ALL = 1 << 62


async def queues(db: Any, after: str, limit: int, scope: Sequence[str]) -> list[QueueState]:
    """Return the next queues by name."""
    rows = await db.fetch(_QUEUES.format(which=_NEXT), after, limit, _like(scope))
    return [read_queue_state(row) for row in rows]


async def queue(db: Any, name: str) -> QueueState | None:
    """Return a queue."""
    rows = await db.fetch(_QUEUES.format(which=_NAMED), name)
    return read_queue_state(rows[0]) if rows else None


async def find(db: Any, wanted: Filter, page: Page, last: int = _PAST_ALL) -> list[Task]:
    """Return the next tasks that may match, up to the ``seq`` that is to be the last."""
    low, high = await _span(db, wanted)
    high = min(high, last + 1)
    if page.after and page.newest_first:
        high = min(high, page.after)
    elif page.after:
        low = max(low, page.after)
    bounds: list[object] = [low, high, page.limit]
    in_queues = ""
    if wanted.root_id:
        sql = _CHAIN
        bounds.append(wanted.root_id)
    elif wanted.queues or wanted.statuses or wanted.scope != ALL:
        sql = _BY_PAIR
        bounds.append(list(wanted.statuses or Status))
        in_queues, names = _in_queues(wanted)
        bounds += [names] if names else []
    else:
        sql = _ALL
    sql = sql.format(order="DESC" if page.newest_first else "ASC", in_queues=in_queues)
    return [read_task(row[0]) for row in await db.fetch(sql, *bounds)]


def _in_queues(wanted: Filter) -> tuple[str, list[str]]:
    if wanted.queues:
        return _IN_QUEUES, list(wanted.queues)
    if wanted.scope == ALL:
        return "", []
    return _IN_SCOPE, _like(wanted.scope)


def _like(scope: Sequence[str]) -> list[str]:
    """Return patterns as those of LIKE."""
    return [name.replace("_", r"\_").replace("*", "%") for name in scope]


async def ahead(db: Any, task: Task, limit: int) -> int:
    """Count the queued tasks that come before this one, up to a limit."""
    place = (task.queue, task.priority, task.queued_revision)
    return int(await db.fetchval(_AHEAD, *place, limit))


async def find_at(db: Any, revision: int, wanted: Filter, page: Page) -> tuple[list[Task], int]:
    """Return tasks as they stood at a revision, and the ``seq`` to go on from."""
    changes = await check_revision(db, revision) - revision
    end = revision
    if changes > rows.LOOK_AT:  # too many to walk for each page: it ends with as many log rows
        reach = await db.fetchval(_REACH, page.after, revision, rows.LOOK_AT)
        end = reach or end
    now = await find(db, wanted, Page(page.after, page.limit), end)
    if len(now) == page.limit:
        end = now[-1].seq
    changed = await db.fetch(_FIRST_CHANGES, revision, page.after, end, page.limit)
    if len(changed) == page.limit:  # perhaps there are more: the page ends with these
        end = changed[-1][0]
    found = {task.seq: task for task in now if task.revision <= revision and task.seq <= end}
    found |= {seq: read_task(before) for seq, before in changed if before}
    return [found[seq] for seq in sorted(found)], end if end < revision else 0


async def tasks_at(db: Any, revision: int, ids: Sequence[str]) -> dict[str, Task]:
    """Return the tasks that existed at a revision, as they stood."""
    await check_revision(db, revision)
    found = await db.fetch(_AT, revision, list(ids))
    return {task_id: read_task(doc) for task_id, doc in found if doc}


async def log(db: Any, after: Mark, limit: int) -> list[Change]:
    """Return the next changes past a mark; one older than the log, or foreign, is refused."""
    found = await db.fetch(_LOG, after.revision, limit)
    rows.check_mark(after, *found[0][:3])
    return [read_change(row[3:]) for row in found if row[3] is not None]


async def check_revision(db: Any, revision: int) -> int:
    """Return the log's newest revision, or refuse one older than the log."""
    head, oldest = await db.fetchrow("SELECT revision, compacted FROM idstatus.head")
    if revision < oldest:
        raise RevisionCompactedError(revision, oldest)
    return int(head)


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
