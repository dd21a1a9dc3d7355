"""The store: a pool of connections to one database, shared by any number of processes.

A commit locks the head row first, so commits of all processes follow one another
and revisions are dense and in the order of the commits. A read uses a connection of
its own and sees what is committed.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any, Self

import asyncpg

from idstatus_server.errors import StoreUnavailableError
from idstatus_server.lifecycle import Status
from idstatus_server.model import Change, Filter, Mark, Queue, QueueState, Task
from idstatus_server.store.base import Bodies, Head, Page, Wake
from idstatus_server.store.postgres import duties, listing
from idstatus_server.store.postgres.opening import PATIENCE, connect
from idstatus_server.store.postgres.writing import CHANNEL, PostgresTransaction
from idstatus_server.store.rows import document, read_change, read_queue, read_task

_log = logging.getLogger(__name__)

_NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
# Whoever falls silent with the head in its hands, frozen or cut off, must let go of it before
# those who wait lose patience. Set for a transaction, it costs no round trip and no pooler minds.
_SILENCE = """set_config('idle_in_transaction_session_timeout', '3s', true),
set_config('tcp_user_timeout', '3s', true)"""
# The clock is read once the lock is held: time must not run backwards from one to the next.
_LOCK_HEAD = f"""
WITH locked AS MATERIALIZED (SELECT revision, time FROM head FOR UPDATE)
SELECT locked.revision, coalesce(log.time, 0), locked.time, {_NOW}, {_SILENCE}
FROM locked LEFT JOIN log ON log.revision = locked.revision"""  # noqa: S608  # nothing from outside is in it
_TAKE_DUTY = """
UPDATE duty SET holder = $1, until = clock_timestamp() + interval '3 seconds'
WHERE holder = $1 OR until < clock_timestamp() RETURNING true"""
# The duty is taken, or renewed, this often, in seconds; it lasts three times as long.
_DUTY = 1.0
# How often the log is looked at without a hint, in seconds.
_POLL = 1.0
# Between two attempts to find out what became of a commit, in seconds.
_RETRY = 0.2

_BODIES = """
SELECT s.seq, coalesce(p.data, ''::bytea), coalesce(r.data, ''::bytea)
FROM unnest($1::bigint[]) AS s (seq)
LEFT JOIN payloads AS p ON p.seq = s.seq LEFT JOIN results AS r ON r.seq = s.seq"""
_HEAD = """
SELECT revision, coalesce((SELECT l.time FROM log AS l WHERE l.revision = head.revision), 0),
  compacted FROM head"""
_WRITTEN = "SELECT true FROM log WHERE revision = $1 AND after = $2"
# A unit that the limit would cut is read to its end.
_LOG = """
SELECT revision, unit, kind, before, after FROM log WHERE revision > $1 AND revision <= (
  SELECT max(unit) FROM (
    SELECT unit FROM log WHERE revision > $1 ORDER BY revision LIMIT $2) AS page)
ORDER BY revision"""
_OLDEST_QUEUED = """
SELECT t.doc FROM generate_series(0, 9) AS p (priority), LATERAL (
  SELECT doc FROM tasks WHERE queue = $1 AND status = 2 AND priority = p.priority
  ORDER BY queued_revision LIMIT 1) AS t"""


class PostgresStore:
    """A store in one PostgreSQL database. Open it with ``async with``.

    Raises:
        StartError: the database cannot be used; the message tells why in one line.
    """

    store_id: str

    def __init__(self, url: str) -> None:
        self._url = url
        self._writing = asyncio.Lock()
        self._name = uuid.uuid4().hex
        self._listening: asyncio.Task[None] | None = None
        self._on_duty = False
        self._duty_asked = float("-inf")
        self._pool: asyncpg.Pool[asyncpg.Record]

    async def __aenter__(self) -> Self:
        """Connect, and bring the schema up to date."""
        self._pool = await connect(self._url)
        self.store_id = await self._pool.fetchval("SELECT store_id FROM head")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.close()

    async def close(self) -> None:
        """Let go of the database once the commit under way is done."""
        if self._listening:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        async with self._writing:
            await self._pool.close()

    # -- with others

    async def now(self) -> int:
        """Return the time: the database's."""
        return int((await self._rows(f"SELECT {_NOW}"))[0][0])

    def follow(self, wake: Callable[[], None], changed: Callable[[str], None]) -> None:
        """Call ``wake`` at each hint, and every second in any case; ``changed`` at its hints."""
        self._listening = asyncio.create_task(self._listen(wake, changed), name="listen")

    async def _listen(self, wake: Callable[[], None], changed: Callable[[str], None]) -> None:
        def hear(*hint: Any) -> None:
            queue = hint[-1]
            if queue:
                changed(queue)
            else:
                wake()

        while True:
            try:
                db = await asyncpg.connect(self._url, timeout=PATIENCE)
                try:
                    await db.add_listener(CHANNEL, hear)
                    while not db.is_closed():
                        wake()
                        await asyncio.sleep(_POLL)
                finally:
                    db.terminate()
            except _OUT_OF_REACH as error:
                _log.warning("no hints from the database: %s", error)
            wake()
            await asyncio.sleep(_POLL)

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
        with _translated():
            async with self._writing, self._pool.acquire(timeout=PATIENCE) as db:
                attempt = db.transaction()
                await attempt.start()
                done = False
                try:
                    (head,) = await db.fetch(_LOCK_HEAD)
                    transaction = PostgresTransaction(db, partial(self._commit, attempt), head[:4])
                    yield transaction
                    done = transaction.committed
                finally:
                    if not done:
                        with suppress(*_OUT_OF_REACH):  # then it is gone anyway
                            await attempt.rollback()

    async def _commit(self, attempt: Any, last: Change | None) -> None:
        """Commit; if the answer is lost on the way, find out what became of it.

        Raises:
            StoreUnavailableError: nothing was written or, if it says so, that is not known.
        """
        try:
            await attempt.commit()
        except _OUT_OF_REACH as error:
            _log.warning("the answer to a commit was lost: %s", error)
            if last is None or not await self._was_committed(last):
                raise

    async def _was_committed(self, last: Change) -> bool:
        """Tell whether a commit is in the log, and stays there, by its last change.

        It held the head: once we hold it, that commit has ended in one way or the other.
        Our own commit makes sure that a synchronous standby has what comes before it.
        """
        ends = time.monotonic() + PATIENCE
        while True:
            try:
                async with self._pool.acquire(timeout=PATIENCE) as db, db.transaction():
                    await db.execute(_LOCK_HEAD)
                    await db.execute("UPDATE head SET revision = revision")
                    return bool(await db.fetchval(_WRITTEN, last.revision, document(last.task)))
            except _OUT_OF_REACH as error:
                if time.monotonic() > ends:
                    raise StoreUnavailableError(
                        "the database went away amid a commit, and it is not known whether it "
                        "was made: repeat the call with the same request_id",
                        cause=error,
                    ) from error
                await asyncio.sleep(_RETRY)

    async def compact(self, before: int, limit: int) -> int:
        """Drop up to ``limit`` of the oldest changes made before a time; return how many."""
        return await self._tidy(duties.compact, before, limit)

    async def forget(self, before: int, limit: int) -> int:
        """Drop up to ``limit`` request ids used before a time; return how many."""
        return await self._tidy(duties.forget, before, limit)

    async def _tidy(
        self, drop: Callable[[Any, int, int], Awaitable[int]], before: int, limit: int
    ) -> int:
        with _translated():
            async with self._writing, self._pool.acquire(timeout=PATIENCE) as db, db.transaction():
                await db.execute(_LOCK_HEAD)
                return await drop(db, before, limit)

    # -- reading

    async def head(self) -> Head:
        """Return the ends of the log."""
        revision, time, oldest = (await self._rows(_HEAD))[0]
        return Head(Mark(revision, time), oldest)

    async def tasks(self, ids: Sequence[str]) -> dict[str, Task]:
        """Return those of the tasks that exist, by id."""
        rows = await self._rows("SELECT id, doc FROM tasks WHERE id = ANY($1)", list(ids))
        return {task_id: read_task(doc) for task_id, doc in rows}

    async def deleted(self, ids: Sequence[str]) -> dict[str, str]:
        """Return those of the ids whose task was deleted, each with its retry."""
        sql = "SELECT id, retried_by FROM used_ids WHERE id = ANY($1)"
        return dict(await self._rows(sql, list(ids)))

    async def bodies(self, seqs: Sequence[int]) -> dict[int, Bodies]:
        """Return payloads and results by ``Task.seq``."""
        rows = await self._rows(_BODIES, list(seqs))
        return {seq: Bodies(payload, result) for seq, payload, result in rows if payload or result}

    async def find(self, wanted: Filter, page: Page) -> list[Task]:
        """Return the next tasks that may match."""
        with _translated():
            return await listing.find(self._pool, wanted, page)

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
        async with self._snapshot() as db:
            await listing.check_mark(db, after)
            rows = await db.fetch(_LOG, after.revision, limit)
            return [read_change(tuple(row)) for row in rows]

    async def queues(self, after: str, limit: int) -> list[QueueState]:
        """Return the next queues by name."""
        sql = "SELECT doc FROM queues WHERE name > $1 ORDER BY name LIMIT $2"
        rows = await self._rows(sql, after, limit)
        return [await self._queue_state(read_queue(doc)) for (doc,) in rows]

    async def queue(self, name: str) -> QueueState | None:
        """Return a queue, or None if no task was ever created in it."""
        rows = await self._rows("SELECT doc FROM queues WHERE name = $1", name)
        return await self._queue_state(read_queue(rows[0][0])) if rows else None

    async def counts(self) -> dict[str, dict[Status, int]]:
        """Return how many tasks there are by queue and status."""
        with _translated():
            return await listing.counts(self._pool)

    async def awake(self, status: Status, now: int, limit: int) -> list[Task]:
        """Return tasks in this status whose time has come."""
        with _translated():
            return await duties.awake(self._pool, status, now, limit)

    async def next_wake(self) -> int | None:
        """Return the earliest time at which a task must be acted on."""
        with _translated():
            return await duties.next_wake(self._pool)

    async def running(self, after: Wake, limit: int) -> list[Task]:
        """Return running tasks in the order of their wake times."""
        with _translated():
            return await duties.running(self._pool, after, limit)

    async def outlived(self, now: int, retention: int, limit: int) -> list[str]:
        """Return ids of finished tasks that were kept long enough."""
        with _translated():
            return await duties.outlived(self._pool, now, retention, limit)

    async def _queue_state(self, queue: Queue) -> QueueState:
        rows = await self._rows("SELECT status, tasks FROM counts WHERE queue = $1", queue.name)
        waiting = await self._rows(_OLDEST_QUEUED, queue.name)
        return QueueState(
            queue=queue,
            counts={Status(status): tasks for status, tasks in rows},
            oldest_queued_time=min(
                (read_task(doc).transitions[-1].time for (doc,) in waiting), default=0
            ),
        )

    async def _rows(self, sql: str, *parameters: object) -> Sequence[Any]:
        with _translated():
            rows: Sequence[Any] = await self._pool.fetch(sql, *parameters)
            return rows

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[Any]:
        """Let several reads see one state."""
        with _translated():
            async with (
                self._pool.acquire(timeout=PATIENCE) as db,
                db.transaction(isolation="repeatable_read", readonly=True),
            ):
                yield db


# What says that the database, not the request, is at fault.
_OUT_OF_REACH = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InternalClientError,  # its last words came before our next ones, which the driver minds
    asyncpg.PostgresSystemError,
)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn the driver's errors into the domain's, at the driver's own door."""
    try:
        yield
    except _OUT_OF_REACH as error:
        raise StoreUnavailableError(f"the database cannot be used: {error}", cause=error) from error
