"""One commit: what is loaded for it and what it writes."""

import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence

from idstatus_server.model import Mark, Queue, Task
from idstatus_server.store.base import Loaded, Needs, Remembered, Writes
from idstatus_server.store.rows import (
    Settled,
    body_columns,
    change_columns,
    count_changes,
    document,
    new_task_columns,
    read_answer,
    read_queue,
    read_task,
    settle,
    task_columns,
    used_id_columns,
)
from idstatus_server.store.sqlite.known import Known

HEAD = """
SELECT revision, coalesce((SELECT l.time FROM log AS l WHERE l.revision = head.revision), 0),
  compacted, time FROM head"""
"""The newest revision and its time, the oldest revision, and the time of the last commit."""

_INSERT_TASK = """
INSERT INTO tasks (revision, status, queued_revision, wake_time, end_time, unique_key, doc, seq,
                   id, queue, priority, root_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_UPDATE_TASK = """
UPDATE tasks SET revision = ?, status = ?, queued_revision = ?, wake_time = ?, end_time = ?,
                 unique_key = ?, doc = ? WHERE seq = ?"""
_INSERT_CHANGE = """
INSERT INTO log (revision, unit, kind, seq, time, before, after) VALUES (?, ?, ?, ?, ?, ?, ?)"""
_ADD_COUNT = """
INSERT INTO counts VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET tasks = tasks + excluded.tasks"""
_COPY_PAYLOAD = """
INSERT INTO payloads SELECT ?1, data FROM payloads WHERE seq = ?2"""
_RECALL = """
SELECT doc FROM tasks WHERE id = ?1
UNION ALL SELECT after FROM used_ids JOIN log USING (seq) WHERE id = ?1 AND kind = 4"""
_COUNT = "SELECT queue, tasks FROM counts WHERE queue = ? AND status = {status}"
_CLAIMABLE = """
SELECT doc FROM tasks WHERE queue = ? AND status = 2
ORDER BY priority DESC, queued_revision LIMIT ?"""


class SqliteTransaction:
    """A write transaction that has begun.

    The statements run where they are called: they only touch memory. The commit,
    which waits for the disk, is handed to ``run_commit``.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        known: Known,
        run_commit: Callable[[], Awaitable[None]],
        now: int,
    ) -> None:
        self._db = db
        self._known = known
        self._run_commit = run_commit
        self.now = now
        revision, changed, _, self.time = db.execute(HEAD).fetchone()
        self.head = Mark(revision, changed)

    async def load(self, needs: Needs) -> Loaded:
        """Return what the store knows of the needs."""
        known = [task for task in map(self._known.get, needs.ids) if task]
        missing = needs.ids.difference(task.id for task in known)
        tasks = [*known, *self._tasks("SELECT doc FROM tasks WHERE id = ?", missing)]
        holders = self._tasks("SELECT doc FROM tasks WHERE unique_key = ?", needs.unique_keys)
        return Loaded(
            tasks={task.id: task for task in tasks},
            used={used for (used,) in self._each("SELECT id FROM used_ids WHERE id = ?", missing)},
            key_holders={task.unique_key: task.id for task in holders},
            answers={
                request_id: Remembered(fingerprint, read_answer(answer))
                for request_id, fingerprint, answer in self._each(
                    "SELECT request_id, fingerprint, answer FROM requests WHERE request_id = ?",
                    needs.request_ids,
                )
            },
            queues={
                name: read_queue(doc)
                for name, doc in self._each("SELECT * FROM queues WHERE name = ?", needs.queues)
            },
            queued=dict(self._each(_COUNT.format(status=2), needs.claims)),
            running=dict(self._each(_COUNT.format(status=3), needs.claims)),
            recalled={task.id: task for task in self._tasks(_RECALL, needs.recalled)},
            claimable={
                queue: [read_task(doc) for (doc,) in self._db.execute(_CLAIMABLE, (queue, limit))]
                for queue, limit in needs.claims.items()
            },
        )

    async def commit(self, writes: Writes) -> None:
        """Write it all and put it on disk."""
        # Bodies go first: a retry takes its payload from a task that may go in the same commit.
        self._many("INSERT INTO payloads VALUES (?, ?)", body_columns(writes.payloads))
        self._many(_COPY_PAYLOAD, writes.copies.items())
        self._many("INSERT INTO results VALUES (?, ?)", body_columns(writes.results))
        settled = settle(writes.changes, writes.saved)
        self._write_tasks(settled)
        self._many(_INSERT_CHANGE, (change_columns(c, writes.time) for c in writes.changes))
        self._many(_ADD_COUNT, count_changes(writes.changes))
        self._write_queues(writes.queues)
        self._many(
            "INSERT INTO requests VALUES (NULL, ?, ?, ?, ?)",
            (
                (request_id, writes.time, fingerprint, document(answer))
                for request_id, (fingerprint, answer) in writes.answers.items()
            ),
        )
        self._db.execute(
            "UPDATE head SET revision = ?, time = ?",
            (self.head.revision + len(writes.changes), writes.time),
        )
        # Whatever becomes of the commit: until it is known, the database is asked.
        self._known.forget((*settled.old, *settled.gone))
        await self._run_commit()
        self._known.keep((*settled.old, *settled.new))

    def _write_tasks(self, settled: Settled) -> None:
        self._many(_UPDATE_TASK, (task_columns(task) for task in settled.old))
        gone = [(task.seq,) for task in settled.gone]
        self._many("DELETE FROM tasks WHERE seq = ?", gone)
        self._many("DELETE FROM payloads WHERE seq = ?", gone)
        self._many("DELETE FROM results WHERE seq = ?", gone)
        used = map(used_id_columns, settled.gone)
        self._many("INSERT INTO used_ids VALUES (?, ?, ?, ?)", used)
        self._many(_INSERT_TASK, (new_task_columns(task) for task in settled.new))

    def _write_queues(self, queues: Sequence[Queue]) -> None:
        upsert = "INSERT INTO queues VALUES (?, ?) ON CONFLICT DO UPDATE SET doc = excluded.doc"
        self._many(upsert, ((queue.name, document(queue)) for queue in queues))

    def _tasks(self, sql: str, keys: Iterable[str]) -> list[Task]:
        return [read_task(doc) for (doc,) in self._each(sql, keys)]

    def _each(self, sql: str, keys: Iterable[str]) -> Iterable[tuple]:  # type: ignore[type-arg]
        for key in keys:
            yield from self._db.execute(sql, (key,))

    def _many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        self._db.executemany(sql, rows)
