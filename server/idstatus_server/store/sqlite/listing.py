"""Lists of tasks, as they stand and as they stood, and of queues."""

import json
import sqlite3
from collections.abc import Sequence

from idstatus_server.access import ALL
from idstatus_server.errors import RevisionCompactedError
from idstatus_server.lifecycle import Status
from idstatus_server.model import Filter, Mark, QueueState, Task
from idstatus_server.store import rows
from idstatus_server.store.base import Page
from idstatus_server.store.rows import read_queue_state, read_task

_PAST_ALL = 1 << 62
# Of each pair of queue and status that has tasks the next one, from an index. A page never needs
# more pairs than tasks; of these the next tasks, and then the first of all.
_BY_PAIR = """
WITH pairs AS (
  SELECT c.queue, c.status, (
    SELECT seq FROM tasks
    WHERE queue = c.queue AND status = c.status AND seq > :low AND seq < :high
    ORDER BY seq {order} LIMIT 1) AS next
  FROM counts AS c
  WHERE tasks > 0 AND status IN (SELECT value FROM json_each(:statuses)) {in_queues}
  ORDER BY next {order} NULLS LAST LIMIT :limit)
SELECT t.doc FROM pairs JOIN tasks AS t ON t.seq IN (
  SELECT seq FROM tasks
  WHERE queue = pairs.queue AND status = pairs.status AND seq > :low AND seq < :high
  ORDER BY seq {order} LIMIT :limit)
ORDER BY t.seq {order} LIMIT :limit"""
_IN_QUEUES = "AND queue IN (SELECT value FROM json_each(:queues))"
# The names of queues hold nothing else that GLOB knows.
_IN_SCOPE = "AND EXISTS (SELECT 1 FROM json_each({scope}) WHERE {name} GLOB value)"
_ALL = """
SELECT doc FROM tasks WHERE seq > :low AND seq < :high ORDER BY seq {order} LIMIT :limit"""
_CHAIN = """
SELECT doc FROM tasks WHERE (root_id = :root OR id = :root) AND seq > :low AND seq < :high
ORDER BY seq {order} LIMIT :limit"""
# In the order of claims: what has a higher priority, then what came first. Each is one stretch of
# their index, so what waits behind is not looked at.
_AHEAD = """
SELECT count(*) FROM (
  SELECT 1 FROM tasks WHERE queue = :queue AND status = 2 AND priority > :priority
  UNION ALL
  SELECT 1 FROM tasks WHERE queue = :queue AND status = 2 AND priority = :priority
    AND queued_revision < :place
  LIMIT :limit)"""
# The first change after a revision holds, as its "before", the task at that revision.
_FIRST_CHANGES = """
SELECT seq, before, min(revision) FROM log {how}
WHERE revision > :revision AND seq > :after AND seq <= :end
GROUP BY seq ORDER BY seq LIMIT :limit"""
# Where a page ends that looks at so many rows of the log, task by task.
_REACH = """
SELECT seq FROM log INDEXED BY log_by_task WHERE seq > ? AND seq <= ?
ORDER BY seq LIMIT 1 OFFSET ?"""
_FIRST_CHANGE = """
SELECT before FROM log WHERE seq = ? AND revision > ? ORDER BY revision LIMIT 1"""
# Of the task queued first: the first of each priority come from an index.
_QUEUES = """
SELECT q.doc, (
  SELECT json_group_object(CAST(status AS TEXT), tasks) FROM counts WHERE queue = q.name), (
  SELECT t.doc FROM json_each('[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]') AS p CROSS JOIN tasks AS t
  ON t.seq = (
    SELECT seq FROM tasks WHERE queue = q.name AND status = 2 AND priority = p.value
    ORDER BY queued_revision LIMIT 1)
  ORDER BY t.queued_revision LIMIT 1)
FROM queues AS q WHERE {which}"""
_NEXT = f"name > ? {_IN_SCOPE.format(scope='?', name='name')} ORDER BY name LIMIT ?"
_NAMED = "name = ?"
# Two subqueries: each is one step in the index, where both at once would be a scan.
_BOUNDS = "SELECT (SELECT min(seq) FROM tasks), (SELECT max(seq) + 1 FROM tasks)"
_MARK = """
SELECT revision, compacted, (SELECT l.time FROM log AS l WHERE l.revision = ?) FROM head"""


def queues(
    db: sqlite3.Connection, after: str, limit: int, scope: Sequence[str]
) -> list[QueueState]:
    """Return the next queues by name."""
    found = db.execute(_QUEUES.format(which=_NEXT), (after, json.dumps(scope), limit))
    return [read_queue_state(row) for row in found]


def queue(db: sqlite3.Connection, name: str) -> QueueState | None:
    """Return a queue."""
    row = db.execute(_QUEUES.format(which=_NAMED), (name,)).fetchone()
    return read_queue_state(row) if row else None


def find(db: sqlite3.Connection, wanted: Filter, page: Page, last: int = _PAST_ALL) -> list[Task]:
    """Return the next tasks that may match, up to the ``seq`` that is to be the last."""
    low, high = _span(db, wanted)
    high = min(high, last + 1)
    if page.after and page.newest_first:
        high = min(high, page.after)
    elif page.after:
        low = max(low, page.after)
    bounds: dict[str, object] = {"low": low, "high": high, "limit": page.limit}
    if wanted.root_id:
        sql = _CHAIN
        bounds["root"] = wanted.root_id
    elif wanted.queues or wanted.statuses or wanted.scope != ALL:
        sql = _BY_PAIR
        bounds["queues"] = json.dumps(list(wanted.queues))
        bounds["scope"] = json.dumps(wanted.scope)
        bounds["statuses"] = json.dumps(list(wanted.statuses or Status))
    else:
        sql = _ALL
    sql = sql.format(
        order="DESC" if page.newest_first else "ASC",
        in_queues=_in_queues(wanted),
    )
    return [read_task(doc) for (doc,) in db.execute(sql, bounds)]


def _in_queues(wanted: Filter) -> str:
    if wanted.queues:
        return _IN_QUEUES
    return "" if wanted.scope == ALL else _IN_SCOPE.format(scope=":scope", name="queue")


def ahead(db: sqlite3.Connection, task: Task, limit: int) -> int:
    """Count the queued tasks that come before this one, up to a limit."""
    place = {"queue": task.queue, "priority": task.priority, "place": task.queued_revision}
    (count,) = db.execute(_AHEAD, place | {"limit": limit}).fetchone()
    return int(count)


def find_at(
    db: sqlite3.Connection, revision: int, wanted: Filter, page: Page
) -> tuple[list[Task], int]:
    """Return tasks as they stood at a revision, and the ``seq`` to go on from."""
    changes = check_revision(db, revision) - revision
    end = revision
    if changes > rows.LOOK_AT:  # too many to walk for each page: it ends with as many log rows
        reach = db.execute(_REACH, (page.after, revision, rows.LOOK_AT)).fetchone()
        end = reach[0] if reach else end
    now = find(db, wanted, Page(page.after, page.limit), end)
    if len(now) == page.limit:
        end = now[-1].seq
    # Walk whichever is shorter: the changes since then, or the tasks of this page.
    how = (
        "NOT INDEXED" if changes < min(end - page.after, rows.LOOK_AT) else "INDEXED BY log_by_task"
    )
    bounds = {"revision": revision, "after": page.after, "end": end, "limit": page.limit}
    changed = db.execute(_FIRST_CHANGES.format(how=how), bounds).fetchall()
    if len(changed) == page.limit:  # perhaps there are more: the page ends with these
        end = changed[-1][0]
    found = {task.seq: task for task in now if task.revision <= revision and task.seq <= end}
    found |= {seq: read_task(before) for seq, before, _ in changed if before}
    return [found[seq] for seq in sorted(found)], end if end < revision else 0


def tasks_at(db: sqlite3.Connection, revision: int, ids: Sequence[str]) -> dict[str, Task]:
    """Return the tasks that existed at a revision, as they stood."""
    check_revision(db, revision)
    found: dict[str, Task] = {}
    for task_id in ids:
        row = db.execute(
            "SELECT seq, revision, doc FROM tasks WHERE id = ?"
            " UNION ALL SELECT seq, NULL, NULL FROM used_ids WHERE id = ?",
            (task_id, task_id),
        ).fetchone()
        if not row or row[0] > revision:
            continue
        seq, changed, doc = row
        if changed is None or changed > revision:
            doc = next((d for (d,) in db.execute(_FIRST_CHANGE, (seq, revision))), None)
        if doc:
            found[task_id] = read_task(doc)
    return found


def check_revision(db: sqlite3.Connection, revision: int) -> int:
    """Return the log's newest revision, or refuse one older than the log."""
    head, oldest = db.execute("SELECT revision, compacted FROM head").fetchone()
    if revision < oldest:
        raise RevisionCompactedError(revision, oldest)
    return int(head)


def check_mark(db: sqlite3.Connection, mark: Mark) -> None:
    """Refuse a mark older than the log, or not of this history."""
    rows.check_mark(mark, *db.execute(_MARK, (mark.revision,)).fetchone())


def _span(db: sqlite3.Connection, wanted: Filter) -> tuple[int, int]:
    """Return the bounds of ``seq``, both left out, of the tasks created in the time asked for."""
    low = _first_created(db, wanted.created_from) - 1 if wanted.created_from else -1
    high = _PAST_ALL if wanted.created_before is None else _first_created(db, wanted.created_before)
    return low, high


def _first_created(db: sqlite3.Connection, time: int) -> int:
    """Return the ``seq`` of the first task created at a time or later, by bisection.

    Creation times rise with ``seq``, so no index is needed.
    """
    low, high = db.execute(_BOUNDS).fetchone()
    if low is None:
        return 0
    while low < high:
        middle = (low + high) // 2
        seq, created = db.execute(
            "SELECT seq, doc ->> '$.create_time' FROM tasks WHERE seq >= ? ORDER BY seq LIMIT 1",
            (middle,),
        ).fetchone()
        if created < time:
            low = seq + 1
        else:
            high = middle
    return int(low)
