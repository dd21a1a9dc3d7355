"""The store: a pool of connections to one database, shared by any number of processes.

A commit locks the head row first, so commits of all processes follow one another
and revisions are dense and in the order of the commits. A read uses a connection of
its own and sees what is committed.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Self

from idstatus_server.access import ALL
from idstatus_server.lifecycle import Status
from idstatus_server.model import Change, Filter, Mark, QueueState, Task
from idstatus_server.store.base import Bodies, Deleted, Head, Page, Schema, Wake
from idstatus_server.store.postgres import duties, listing
from idstatus_server.store.postgres.hosts import LOST, PATIENCE, in_one_line
from idstatus_server.store.postgres.listening import Listening
from idstatus_server.store.postgres.loader import Loader
from idstatus_server.store.postgres.locking import (
    BEGIN,
    BEGIN_READING,
    HOLD_HEAD,
    LOCK_HEAD,
    NOW,
    begun,
)
from idstatus_server.store.postgres.lost import was_committed
from idstatus_server.store.postgres.opening import migrate
from idstatus_server.store.postgres.pool import Pool
from idstatus_server.store.postgres.trouble import translated
from idstatus_server.store.postgres.writing import PostgresTransaction
from idstatus_server.store.rows import read_bodies, read_task

_log = logging.getLogger(__name__)

_TAKE_DUTY = """
UPDATE idstatus.duty SET holder = $1, until = clock_timestamp() + interval '3 seconds'
WHERE holder = $1 OR until < clock_timestamp() RETURNING true"""
# The duty is taken, or renewed, this often, in seconds; it lasts three times as long.
_DUTY = 1.0

_TASKS = "SELECT id, doc FROM idstatus.tasks WHERE id = ANY($1)"
_WHOLE_TASKS = """
SELECT t.id, t.doc, coalesce(p.data, ''::bytea), coalesce(r.data, ''::bytea)
FROM idstatus.tasks AS t
LEFT JOIN idstatus.payloads AS p ON p.seq = t.seq
LEFT JOIN idstatus.results AS r ON r.seq = t.seq
WHERE t.id = ANY($1)"""
_BODIES = """
SELECT t.seq, coalesce(p.data, ''::bytea), coalesce(r.data, ''::bytea)
FROM idstatus.tasks AS t
LEFT JOIN idstatus.payloads AS p ON p.seq = t.seq
LEFT JOIN idstatus.results AS r ON r.seq = t.seq
WHERE t.seq = ANY($1)"""
_HEAD = """
SELECT revision,
  coalesce((SELECT l.time FROM idstatus.log AS l WHERE l.revision = head.revision), 0), compacted
FROM idstatus.head"""


class PostgresStore:
    """A store in one PostgreSQL database. Open it with ``async with``.

    Raises:
        StartError: the database cannot be used; the message tells why in one line.
    """

    store_id: str
    schema: Schema

    def __init__(self, url: str, connections: int = 10) -> None:
        self._url = url
        self._connections = connections
        self._writing = asyncio.Lock()
        self._writer = 0  # the database's process that works on our commits, or did last
        self._name = uuid.uuid4().hex
        self._listening: Listening | None = None
        self._on_duty = False
        self._duty_asked = float("-inf")
        self._pool: Pool
        self._tasks = Loader(self._load_tasks)
        self._whole_tasks = Loader(self._load_whole_tasks)
        self._bodies = Loader(self._load_bodies)
        self._heads = Loader(self._load_head)

    async def __aenter__(self) -> Self:
        """Connect, and bring the schema up to date."""
        self.schema = await migrate(self._url)
        self._pool = Pool(self._url, self._connections)
        await self._pool.open()
        self.store_id = await self._pool.fetchval("SELECT store_id FROM idstatus.head")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.close()

    async def close(self) -> None:
        """Let go of the database once the commit under way is done."""
        if self._listening:
            await self._listening.close()
        async with self._writing:
            await self._pool.close()

    # -- with others

    async def now(self) -> int:
        """Return the time: the database's."""
        return int((await self._rows(f"SELECT {NOW}"))[0][0])

    def follow(self, wake: Callable[[], None], changed: Callable[[str], None]) -> None:
        """Call ``wake`` at others' hints and every second; ``changed`` at all hints of a queue."""
        self._listening = Listening(self._url, wake, changed, lambda: self._writer)

    async def on_duty(self) -> bool:
        """Tell whether this process runs the timers."""
        now = time.monotonic()
        if now - self._duty_asked >= _DUTY:
            self._on_duty = bool(await self._rows(_TAKE_DUTY, self._name))
            self._duty_asked = now
        return self._on_duty

    # -- writing

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTransaction]:
        """Begin a commit; leaving the block without one changes nothing."""
        with translated():
            async with self._writing, self._pool.acquire() as db, begun(db, BEGIN):
                self._writer = db.get_server_pid()
                (head,) = await db.fetch(LOCK_HEAD)
                yield PostgresTransaction(db, partial(self._commit, db), head)

    async def _commit(self, db: Any, last: Change | None) -> None:
        """Commit; if the answer is lost on the way, find out what became of it.

        A commit that takes too long is left alone, never cancelled: if it waits for a
        synchronous standby, PostgreSQL would give up the standby, not the commit.

        Raises:
            StoreUnavailableError: nothing was written or, if it says so, that is not known.
        """
        too_long = asyncio.get_running_loop().call_later(PATIENCE, db.terminate)
        try:
            await db.execute("COMMIT", timeout=2 * PATIENCE)
        except LOST as error:
            _log.warning("the answer to a commit was lost: %s", in_one_line(error))
            if last is None or not await was_committed(self._url, last):
                raise
        finally:
            too_long.cancel()

    async def compact(self, before: int, limit: int) -> int:
        """Drop up to ``limit`` of the oldest changes made before a time; return how many."""
        return await self._tidy(duties.compact, before, limit)

    async def forget(self, before: int, limit: int) -> int:
        """Drop up to ``limit`` request ids used before a time; return how many."""
        return await self._tidy(duties.forget, before, limit)

    async def _tidy(
        self, drop: Callable[[Any, int, int], Awaitable[int]], before: int, limit: int
    ) -> int:
        with translated():
            async with self._writing, self._pool.acquire() as db, begun(db, BEGIN):
                await db.execute(HOLD_HEAD)
                dropped = await drop(db, before, limit)
                await db.execute("COMMIT")
                return dropped

    # -- reading

    async def head(self) -> Head:
        """Return the ends of the log."""
        (head,) = (await self._heads.load(("head",))).values()
        return head

    async def tasks(self, ids: Sequence[str]) -> dict[str, Task]:
        """Return those of the tasks that exist, by id."""
        return await self._tasks.load(ids)

    async def whole_tasks(self, ids: Sequence[str]) -> dict[str, tuple[Task, Bodies]]:
        """Return those of the tasks that exist, each with its bodies, by id."""
        return await self._whole_tasks.load(ids)

    async def deleted(self, ids: Sequence[str]) -> dict[str, Deleted]:
        """Return what is kept of those of the ids whose task was deleted."""
        sql = "SELECT id, queue, retried_by FROM idstatus.used_ids WHERE id = ANY($1)"
        return {task_id: Deleted(*kept) for task_id, *kept in await self._rows(sql, list(ids))}

    async def bodies(self, seqs: Sequence[int]) -> dict[int, Bodies]:
        """Return payload and result of each of the tasks that still exists, by ``Task.seq``."""
        return await self._bodies.load(seqs)

    async def find(self, wanted: Filter, page: Page) -> list[Task]:
        """Return the next tasks that may match."""
        with translated():
            return await listing.find(self._pool, wanted, page)

    async def ahead(self, task: Task, limit: int) -> int:
        """Count the queued tasks that come before this one, up to a limit."""
        with translated():
            return await listing.ahead(self._pool, task, limit)

    async def find_at(self, revision: int, wanted: Filter, page: Page) -> tuple[list[Task], int]:
        """Return tasks as they stood at a past revision, and where to go on."""
        async with self._snapshot() as db:
            return await listing.find_at(db, revision, wanted, page)

    async def tasks_at(self, revision: int, ids: Sequence[str]) -> dict[str, Task]:
        """Return the tasks that existed at a past revision, as they stood."""
        async with self._snapshot() as db:
            return await listing.tasks_at(db, revision, ids)

    async def log(self, after: Mark, limit: int) -> list[Change]:
        """Return the next changes past a mark, whole units only."""
        with translated():
            return await listing.log(self._pool, after, limit)

    async def queues(self, after: str, limit: int, scope: Sequence[str] = ALL) -> list[QueueState]:
        """Return the next queues by name."""
        with translated():
            return await listing.queues(self._pool, after, limit, scope)

    async def queue(self, name: str) -> QueueState | None:
        """Return a queue, or None if no task was ever created in it."""
        with translated():
            return await listing.queue(self._pool, name)

    async def awake(self, status: Status, now: int, limit: int) -> list[Task]:
        """Return tasks in this status whose time has come."""
        with translated():
            return await duties.awake(self._pool, status, now, limit)

    async def next_wake(self) -> int | None:
        """Return the earliest time at which a task must be acted on."""
        with translated():
            return await duties.next_wake(self._pool)

    async def running(self, after: Wake, limit: int) -> list[Task]:
        """Return running tasks in the order of their wake times."""
        with translated():
            return await duties.running(self._pool, after, limit)

    async def outlived(self, now: int, retention: int, limit: int) -> list[str]:
        """Return ids of finished tasks that were kept long enough."""
        with translated():
            return await duties.outlived(self._pool, now, retention, limit)

    async def _load_tasks(self, ids: Sequence[str]) -> dict[str, Task]:
        return {task_id: read_task(doc) for task_id, doc in await self._rows(_TASKS, ids)}

    async def _load_whole_tasks(self, ids: Sequence[str]) -> dict[str, tuple[Task, Bodies]]:
        rows = await self._rows(_WHOLE_TASKS, ids)
        return {task_id: (read_task(doc), read_bodies(*bodies)) for task_id, doc, *bodies in rows}

    async def _load_bodies(self, seqs: Sequence[int]) -> dict[int, Bodies]:
        rows = await self._rows(_BODIES, seqs)
        return {seq: read_bodies(*bodies) for seq, *bodies in rows}

    async def _load_head(self, asked: Sequence[str]) -> dict[str, Head]:
        ((revision, time, oldest),) = await self._rows(_HEAD)
        return dict.fromkeys(asked, Head(Mark(revision, time), oldest))

    async def _rows(self, sql: str, *parameters: object) -> Sequence[Any]:
        with translated():
            rows: Sequence[Any] = await self._pool.fetch(sql, *parameters)
            return rows

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[Any]:
        """Let several reads see one state."""
        with translated():
            async with self._pool.acquire() as db, begun(db, BEGIN_READING):
                yield db
