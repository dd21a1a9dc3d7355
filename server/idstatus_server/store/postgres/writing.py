"""One commit: what is loaded for it and what it writes, in as few statements as can be."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from idstatus_server.model import Change, Mark, Task
from idstatus_server.store.base import Loaded, Needs, Remembered, Writes
from idstatus_server.store.postgres.statement import Statement
from idstatus_server.store.rows import (
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
INSERT INTO idstatus.used_ids
SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[])"""
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
_INSERT_PAYLOADS = """
INSERT INTO idstatus.payloads SELECT * FROM unnest($1::bigint[], $2::bytea[])"""
_INSERT_RESULTS = """
INSERT INTO idstatus.results SELECT * FROM unnest($1::bigint[], $2::bytea[])"""
_DELETE = (
    "DELETE FROM idstatus.tasks WHERE seq = ANY($1::bigint[])",
    "DELETE FROM idstatus.payloads WHERE seq = ANY($1::bigint[])",
    "DELETE FROM idstatus.results WHERE seq = ANY($1::bigint[])",
)
_SET_HEAD = "UPDATE idstatus.head SET revision = $1, time = $2"

# What a commit loads: what it is, its key, its document, and bytes.
_TASKS = "SELECT 'task', id, doc, NULL::bytea FROM idstatus.tasks WHERE id = ANY($1::text[])"
_USED = "SELECT 'used', id, '', NULL::bytea FROM idstatus.used_ids WHERE id = ANY($1::text[])"
_HOLDERS = """
SELECT 'holder', id, doc, NULL::bytea FROM idstatus.tasks WHERE unique_key = ANY($1::text[])"""
_ANSWERS = """
SELECT 'answer', request_id, answer, fingerprint FROM idstatus.requests
WHERE request_id = ANY($1::text[])"""
_QUEUES = "SELECT 'queue', name, doc, NULL::bytea FROM idstatus.queues WHERE name = ANY($1::text[])"
_COUNTS = """
SELECT CASE status WHEN 2 THEN 'queued' ELSE 'running' END, queue, tasks::text, NULL::bytea
FROM idstatus.counts WHERE queue = ANY($1::text[]) AND status IN (2, 3)"""
_CLAIMABLE = """
SELECT 'claimable', q.name, t.doc, NULL::bytea
FROM unnest($1::text[], $2::bigint[]) AS q (name, amount), LATERAL (
  SELECT doc FROM idstatus.tasks WHERE queue = q.name AND status = 2
  ORDER BY priority DESC, queued_revision LIMIT q.amount) AS t"""
_RECALLED = """
SELECT 'recalled', id, doc, NULL::bytea FROM idstatus.tasks WHERE id = ANY($1::text[])
UNION ALL SELECT 'recalled', id, after, NULL::bytea
FROM idstatus.used_ids JOIN idstatus.log USING (seq) WHERE id = ANY($1::text[]) AND kind = 4"""


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

    async def load(self, needs: Needs) -> Loaded:
        """Return what the store knows of the needs."""
        found = await self._find(needs)
        tasks = [read_task(doc) for _, doc, _ in found["task"]]
        holders = [read_task(doc) for _, doc, _ in found["holder"]]
        recalled = [read_task(doc) for _, doc, _ in found["recalled"]]
        claimable: dict[str, list[Task]] = {queue: [] for queue in needs.claims}
        for queue, doc, _ in found["claimable"]:
            claimable[queue].append(read_task(doc))
        for waiting in claimable.values():
            waiting.sort(key=lambda task: (-task.priority, task.queued_revision))
        return Loaded(
            tasks={task.id: task for task in tasks},
            used={task_id for task_id, _, _ in found["used"]},
            key_holders={task.unique_key: task.id for task in holders},
            answers={
                request_id: Remembered(fingerprint, read_answer(answer))
                for request_id, answer, fingerprint in found["answer"]
            },
            queues={name: read_queue(doc) for name, doc, _ in found["queue"]},
            queued={queue: int(tasks) for queue, tasks, _ in found["queued"]},
            running={queue: int(tasks) for queue, tasks, _ in found["running"]},
            claimable=claimable,
            recalled={task.id: task for task in recalled},
        )

    async def _find(self, needs: Needs) -> Mapping[str, list[tuple[str, str, bytes]]]:
        """Return key, document and bytes of all that is needed, by what it is."""
        claims = list(needs.claims)
        query = Statement()
        for sql, keys, more in (
            (_TASKS, needs.ids, ()),
            (_USED, needs.ids, ()),
            (_HOLDERS, needs.unique_keys, ()),
            (_ANSWERS, needs.request_ids, ()),
            (_QUEUES, needs.queues, ()),
            (_COUNTS, claims, ()),
            (_CLAIMABLE, claims, (list(needs.claims.values()),)),
            (_RECALLED, needs.recalled, ()),
        ):
            if keys:
                query.add(sql, list(keys), *more)
        found: dict[str, list[tuple[str, str, bytes]]] = defaultdict(list)
        for what, key, doc, data in await query.fetch(self._db):
            found[what].append((key, doc, data))
        return found

    async def commit(self, writes: Writes) -> None:
        """Write it all and commit."""
        for statement in self._statements(writes):
            await statement.execute(self._db)
        await self._run_commit(writes.changes[-1] if writes.changes else None)

    def _statements(self, writes: Writes) -> Sequence[Statement]:
        """Return the fewest statements: what depends on another step comes in a later one."""
        settled = settle(writes.changes, writes.saved)
        gone = [task.seq for task in settled.gone]
        statements = [Statement()]
        write = statements[-1].add_rows
        write(_UPDATE_TASKS, [task_columns(task) for task in settled.old])
        write(_INSERT_PAYLOADS, body_columns(writes.payloads))
        write(_INSERT_RESULTS, body_columns(writes.results))
        # A new task may take the unique key that an old one frees, or a payload written above.
        if settled.new and (settled.old or writes.copies):
            statements.append(Statement())
            write = statements[-1].add_rows
        write(_COPY_PAYLOADS, writes.copies.items())
        write(_INSERT_TASKS, [new_task_columns(task) for task in settled.new])
        if gone:  # a retry may take its payload from a task that goes
            statements.append(Statement())
            for sql in _DELETE:
                statements[-1].add(sql, gone)
            statements[-1].add_rows(_INSERT_USED, [used_id_columns(task) for task in settled.gone])
        self._note(statements[-1], writes)
        return statements

    def _note(self, statement: Statement, writes: Writes) -> None:
        """Write down what was done, and tell the other processes."""
        changes = [change_columns(change, writes.time) for change in writes.changes]
        statement.add_rows(_INSERT_CHANGES, changes)
        statement.add_rows(_ADD_COUNTS, count_changes(writes.changes))
        queues = [(queue.name, document(queue)) for queue in writes.queues]
        statement.add_rows(_SET_QUEUES, queues)
        answers = [
            (request_id, writes.time, fingerprint, document(answer))
            for request_id, (fingerprint, answer) in writes.answers.items()
        ]
        statement.add_rows(_INSERT_REQUESTS, answers)
        statement.add(_SET_HEAD, self.head.revision + len(writes.changes), writes.time)
        hints = [queue.name for queue in writes.queues] + ([""] if writes.changes else [])
        statement.add(_NOTIFY, CHANNEL, hints)
