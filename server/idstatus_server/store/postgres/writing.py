"""One commit: what is loaded for it and what it writes, each in one statement."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from idstatus_server.model import Change, Mark, Task
from idstatus_server.store.base import Loaded, Needs, Remembered, Writes
from idstatus_server.store.rows import (
    change_columns,
    count_changes,
    document,
    new_task_columns,
    read_answer,
    read_queue,
    read_task,
    settle,
    task_columns,
)

CHANNEL = "idstatus"
"""Where other processes hear that there is something new in the log, or of a queue's settings."""

_UPDATE_TASKS = """
UPDATE idstatus.tasks AS t SET revision = n.revision, status = n.status,
  queued_revision = n.queued_revision, wake_time = n.wake_time, end_time = n.end_time,
  unique_key = n.unique_key, doc = n.doc
FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[],
            $7::text[], $8::bigint[])
  AS n (revision, status, queued_revision, wake_time, end_time, unique_key, doc, seq)
WHERE t.seq = n.seq"""
_INSERT_TASKS = """
INSERT INTO idstatus.tasks (revision, status, queued_revision, wake_time, end_time, unique_key,
                            doc, seq, id, queue, priority, root_id)
SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[],
  $6::text[], $7::text[], $8::bigint[], $9::text[], $10::text[], $11::smallint[], $12::text[])"""
_INSERT_CHANGES = """
INSERT INTO idstatus.log (revision, unit, kind, seq, time, before, after)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::bigint[],
  $6::text[], $7::text[])"""
_INSERT_USED = """
INSERT INTO idstatus.used_ids SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[])"""
_COPY_PAYLOADS = """
INSERT INTO idstatus.payloads SELECT c.seq, p.data
FROM unnest($1::bigint[], $2::bigint[]) AS c (seq, source)
JOIN idstatus.payloads AS p ON p.seq = c.source"""
_ADD_COUNTS = """
INSERT INTO idstatus.counts SELECT * FROM unnest($1::text[], $2::smallint[], $3::bigint[])
ON CONFLICT (queue, status) DO UPDATE SET tasks = counts.tasks + excluded.tasks"""
_SET_QUEUES = """
INSERT INTO idstatus.queues SELECT * FROM unnest($1::text[], $2::text[])
ON CONFLICT (name) DO UPDATE SET doc = excluded.doc"""
_INSERT_REQUESTS = """
INSERT INTO idstatus.requests (request_id, time, fingerprint, answer)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[], $4::text[])"""
_NOTIFY = "SELECT pg_notify($1, hint) FROM unnest($2::text[]) AS hint"
_CLAIMABLE = """
SELECT q.name, t.doc FROM unnest($1::text[], $2::bigint[]) AS q (name, amount), LATERAL (
  SELECT doc, priority, queued_revision FROM idstatus.tasks WHERE queue = q.name AND status = 2
  ORDER BY priority DESC, queued_revision LIMIT q.amount) AS t
ORDER BY q.name, t.priority DESC, t.queued_revision"""
_ANSWERS = """
SELECT request_id, fingerprint, answer FROM idstatus.requests WHERE request_id = ANY($1)"""
_SETTINGS = "SELECT name, doc FROM idstatus.queues WHERE name = ANY($1)"
_RECALL = """
SELECT doc FROM idstatus.tasks WHERE id = ANY($1)
UNION ALL SELECT after FROM idstatus.used_ids JOIN idstatus.log USING (seq)
WHERE id = ANY($1) AND kind = 4"""


class PostgresTransaction:
    """A write transaction that holds the head: nobody else writes until it ends."""

    def __init__(
        self,
        db: Any,
        run_commit: Callable[[Change | None], Awaitable[None]],
        head: Iterable[int],
    ) -> None:
        self._db = db
        self._run_commit = run_commit
        revision, changed, self.time, self.now = head
        self.head = Mark(revision, changed)
        self.committed = False

    async def load(self, needs: Needs) -> Loaded:
        """Return what the store knows of the needs."""
        ids, queues = list(needs.ids), list(needs.queues)
        tasks = await self._tasks("SELECT doc FROM idstatus.tasks WHERE id = ANY($1)", ids)
        holders = await self._tasks(
            "SELECT doc FROM idstatus.tasks WHERE unique_key = ANY($1)", list(needs.unique_keys)
        )
        used = await self._rows("SELECT id FROM idstatus.used_ids WHERE id = ANY($1)", ids)
        answers = await self._rows(_ANSWERS, list(needs.request_ids))
        settings = await self._rows(_SETTINGS, queues)
        claims = list(needs.claims)
        running = await self._rows(
            "SELECT queue, tasks FROM idstatus.counts WHERE queue = ANY($1) AND status = 3", claims
        )
        claimable: dict[str, list[Task]] = {queue: [] for queue in claims}
        for queue, doc in await self._rows(_CLAIMABLE, claims, list(needs.claims.values())):
            claimable[queue].append(read_task(doc))
        recalled = await self._tasks(_RECALL, list(needs.recalled))
        return Loaded(
            tasks={task.id: task for task in tasks},
            used={row[0] for row in used},
            key_holders={task.unique_key: task.id for task in holders},
            answers={
                request_id: Remembered(fingerprint, read_answer(answer))
                for request_id, fingerprint, answer in answers
            },
            queues={name: read_queue(doc) for name, doc in settings},
            running=dict(running),
            claimable=claimable,
            recalled={task.id: task for task in recalled},
        )

    async def commit(self, writes: Writes) -> None:
        """Write it all and commit."""
        # Bodies go first: a retry takes its payload from a task that may go in the same commit.
        await self._write(
            "INSERT INTO idstatus.payloads SELECT * FROM unnest($1::bigint[], $2::bytea[])",
            writes.payloads.items(),
        )
        await self._write(_COPY_PAYLOADS, writes.copies.items())
        await self._write(
            "INSERT INTO idstatus.results SELECT * FROM unnest($1::bigint[], $2::bytea[])",
            writes.results.items(),
        )
        await self._write_tasks(writes)
        await self._write(_INSERT_CHANGES, [change_columns(c, writes.time) for c in writes.changes])
        await self._write(_ADD_COUNTS, count_changes(writes.changes))
        await self._write(_SET_QUEUES, [(queue.name, document(queue)) for queue in writes.queues])
        await self._write(
            _INSERT_REQUESTS,
            [
                (request_id, writes.time, fingerprint, document(answer))
                for request_id, (fingerprint, answer) in writes.answers.items()
            ],
        )
        hints = [queue.name for queue in writes.queues] + ([""] if writes.changes else [])
        if hints:
            await self._db.execute(_NOTIFY, CHANNEL, hints)
        await self._db.execute(
            "UPDATE idstatus.head SET revision = $1, time = $2",
            self.head.revision + len(writes.changes),
            writes.time,
        )
        await self._run_commit(writes.changes[-1] if writes.changes else None)
        self.committed = True

    async def _write_tasks(self, writes: Writes) -> None:
        settled = settle(writes.changes, writes.saved)
        await self._write(
            _UPDATE_TASKS, [task_columns(task, document(task)) for task in settled.old]
        )
        gone = [task.seq for task in settled.gone]
        if gone:
            await self._db.execute("DELETE FROM idstatus.tasks WHERE seq = ANY($1)", gone)
            await self._db.execute("DELETE FROM idstatus.payloads WHERE seq = ANY($1)", gone)
            await self._db.execute("DELETE FROM idstatus.results WHERE seq = ANY($1)", gone)
        used = [(task.id, task.seq, task.retried_by) for task in settled.gone]
        await self._write(_INSERT_USED, used)
        await self._write(
            _INSERT_TASKS, [new_task_columns(task, document(task)) for task in settled.new]
        )

    async def _tasks(self, sql: str, keys: Sequence[str]) -> list[Task]:
        return [read_task(row[0]) for row in await self._rows(sql, keys)]

    async def _rows(self, sql: str, keys: Sequence[str], *more: object) -> Sequence[Any]:
        rows: Sequence[Any] = await self._db.fetch(sql, keys, *more) if keys else ()
        return rows

    async def _write(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Write rows, a column at a time."""
        columns = [list(column) for column in zip(*rows, strict=True)]
        if columns:
            await self._db.execute(sql, *columns)
