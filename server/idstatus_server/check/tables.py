"""What the tables say of each other."""

from collections.abc import AsyncIterator

from idstatus_server.check.breach import Breach, rule, unreadable
from idstatus_server.errors import StoreDamagedError
from idstatus_server.store.base import Snapshot
from idstatus_server.store.rows import read_answer, read_body, read_queue

_COUNTS = """
SELECT queue, status, sum(counted), sum(there) FROM (
  SELECT queue, status, tasks AS counted, 0 AS there FROM counts
  UNION ALL SELECT queue, status, 0, count(*) FROM tasks GROUP BY queue, status) AS both_sides
GROUP BY queue, status HAVING sum(counted) <> sum(there) ORDER BY queue, status"""
_LOST = """
SELECT l.seq, max(l.revision) FROM log AS l LEFT JOIN tasks AS t ON t.seq = l.seq
WHERE t.seq IS NULL GROUP BY l.seq HAVING max(l.kind) <> 4 ORDER BY l.seq"""
_ORPHANS = """
SELECT b.seq FROM {table} AS b LEFT JOIN tasks AS t ON t.seq = b.seq
WHERE t.seq IS NULL ORDER BY b.seq"""
_HELD = """
SELECT unique_key, count(*) FROM tasks WHERE unique_key IS NOT NULL
GROUP BY unique_key HAVING count(*) > 1 ORDER BY unique_key"""
_STRAY = """
SELECT t.queue FROM (SELECT DISTINCT queue FROM tasks) AS t LEFT JOIN queues AS q
  ON q.name = t.queue WHERE q.name IS NULL ORDER BY t.queue"""
_QUEUES = "SELECT name, doc FROM queues ORDER BY name"
_BODIES = "SELECT seq, data FROM {table} ORDER BY seq"
_REQUESTS = "SELECT request_id, answer FROM requests ORDER BY number"


@rule
async def counts_are_those_of_the_tasks(snapshot: Snapshot) -> AsyncIterator[tuple[str, str]]:
    """Tasks are counted by queue and status."""
    async for queue, status, counted, there in snapshot.rows(_COUNTS):
        yield f"queue {queue}", f"{counted} tasks are counted in status {status}, {there} are there"


@rule
async def only_deletion_removes_a_task(snapshot: Snapshot) -> AsyncIterator[tuple[str, str]]:
    """A task that the log knows is there, unless it was deleted."""
    async for seq, revision in snapshot.rows(_LOST):
        yield f"revision {revision}", f"the task created at {seq} is gone, and was not deleted"


@rule
async def payloads_and_results_have_tasks(snapshot: Snapshot) -> AsyncIterator[tuple[str, str]]:
    """The bytes that lie apart from a task go with it."""
    for table in ("payloads", "results"):
        async for (seq,) in snapshot.rows(_ORPHANS.replace("{table}", table)):
            yield f"{table} {seq}", "there is no task of this seq"


@rule
async def unique_keys_are_held_once(snapshot: Snapshot) -> AsyncIterator[tuple[str, str]]:
    """At most one unfinished task holds a key."""
    async for key, holders in snapshot.rows(_HELD):
        yield f"unique key {key}", f"{holders} unfinished tasks hold it"


@rule
async def queues_of_tasks_are_known(snapshot: Snapshot) -> AsyncIterator[tuple[str, str]]:
    """A queue has its settings from its first task on."""
    async for (queue,) in snapshot.rows(_STRAY):
        yield f"queue {queue}", "it has tasks, but no settings"


async def the_rest_can_be_read(snapshot: Snapshot) -> AsyncIterator[Breach]:
    """Queues, remembered requests, payloads and results are as they were written."""
    for what, sql, read in (
        ("queue", _QUEUES, read_queue),
        ("request", _REQUESTS, read_answer),
        ("payload", _BODIES.replace("{table}", "payloads"), read_body),
        ("result", _BODIES.replace("{table}", "results"), read_body),
    ):
        async for key, stored in snapshot.rows(sql):
            try:
                read(stored)
            except StoreDamagedError as error:
                yield unreadable(f"{what} {key}", error)


TABLE_RULES = (
    counts_are_those_of_the_tasks,
    only_deletion_removes_a_task,
    payloads_and_results_have_tasks,
    unique_keys_are_held_once,
    queues_of_tasks_are_known,
    the_rest_can_be_read,
)
