"""The store: two connections to one file, and the thread that waits for the disk.

Reads and the statements of a transaction run on the event loop: each takes
microseconds and touches memory. Only the commit waits for the disk, so only the
commit has a thread. A reader sees what is committed and nothing else: its
connection is another one.
"""

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Self

from idstatus_server.access import ALL
from idstatus_server.errors import StartError, StoreUnavailableError
from idstatus_server.lifecycle import Status
from idstatus_server.model import Change, Filter, Mark, QueueState, Task
from idstatus_server.store.base import Bodies, Clock, Deleted, Head, Page, Wake
from idstatus_server.store.rows import read_bodies, read_change, read_task
from idstatus_server.store.sqlite import duties, listing, opening
from idstatus_server.store.sqlite.disk import Disk
from idstatus_server.store.sqlite.known import Known
from idstatus_server.store.sqlite.trouble import translated
from idstatus_server.store.sqlite.writing import HEAD, SqliteTransaction

# How often, and how long in all, to try when another program holds the file.
_BUSY_PAUSE, _BUSY_TRIES = 0.02, 250


def system_clock() -> int:
    """Return the time now, in microseconds since the Unix epoch."""
    return time.time_ns() // 1000


_BODIES = """
SELECT t.seq, coalesce(p.data, x''), coalesce(r.data, x'')
FROM json_each(?) AS s JOIN tasks AS t ON t.seq = s.value
LEFT JOIN payloads AS p ON p.seq = t.seq LEFT JOIN results AS r ON r.seq = t.seq"""
# A unit that the limit would cut is read to its end.
_LOG = """
SELECT revision, unit, kind, before, after FROM log WHERE revision > :after AND revision <= (
  SELECT max(unit) FROM (
    SELECT unit FROM log WHERE revision > :after ORDER BY revision LIMIT :limit))
ORDER BY revision"""


class SqliteStore:
    """A store in one SQLite file, or in memory for trials.

    Raises:
        StartError: the file cannot be opened; the message tells why in one line.
    """

    def __init__(self, path: str, clock: Clock = system_clock) -> None:
        in_memory = path == opening.MEMORY
        self._lock = None if in_memory else opening.Lock(Path(path))
        try:
            self._writer, self.schema, self.store_id = opening.open_writer(path)
        except StartError:
            self._release()
            raise
        # A database in memory belongs to one connection, which never waits.
        self._reader = self._writer if in_memory else opening.connect(path)
        self._disk = None if in_memory else Disk()
        self._writing = asyncio.Lock()
        self._known = Known()
        self._clock = clock
        self._translated = partial(translated, path)

    def _release(self) -> None:
        if self._lock:
            self._lock.release()

    async def __aenter__(self) -> Self:
        """Return the store itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.close()

    async def close(self) -> None:
        """Let go of the file once the commit under way is done."""
        async with self._writing:
            if self._disk:
                self._disk.close()
            self._reader.close()
            self._writer.close()
            self._release()

    # -- alone with the file

    async def now(self) -> int:
        """Return the time: the machine's."""
        return self._clock()

    def follow(self, wake: Callable[[], None], changed: Callable[[str], None]) -> None:
        """Do nothing: no other process commits."""

    async def on_duty(self) -> bool:
        """Tell that this process runs the timers: there is no other."""
        return True

    # -- writing

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqliteTransaction]:
        """Begin a commit; leaving the block without one changes nothing."""
        async with self._writing:
            with self._translated():
                await self._begin()
                try:
                    now = self._clock()
                    yield SqliteTransaction(self._writer, self._known, self._commit, now)
                finally:
                    if self._writer.in_transaction:
                        self._writer.execute("ROLLBACK")

    async def _begin(self) -> None:
        for _ in range(_BUSY_TRIES):
            try:
                self._writer.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
                await asyncio.sleep(_BUSY_PAUSE)
            else:
                return
        raise StoreUnavailableError("another program keeps the database file locked")

    async def _commit(self) -> None:
        if self._disk is None:
            self._writer.execute("COMMIT")
            return
        # Whatever happens, nobody may touch the connection before the disk is done.
        await self._disk.run(lambda: self._writer.execute("COMMIT"))

    async def compact(self, before: int, limit: int) -> int:
        """Drop up to ``limit`` of the oldest changes made before a time; return how many."""
        return await self._tidy(duties.compact, before, limit)

    async def forget(self, before: int, limit: int) -> int:
        """Drop up to ``limit`` request ids used before a time; return how many."""
        return await self._tidy(duties.forget, before, limit)

    async def _tidy(
        self, drop: Callable[[sqlite3.Connection, int, int], int], before: int, limit: int
    ) -> int:
        async with self.transaction():
            dropped = drop(self._writer, before, limit)
            await self._commit()
        return dropped

    # -- reading

    async def head(self) -> Head:
        """Return the ends of the log."""
        revision, time, oldest, _ = self._read(HEAD)[0]
        return Head(Mark(revision, time), oldest)

    async def tasks(self, ids: Sequence[str]) -> dict[str, Task]:
        """Return those of the tasks that exist, by id."""
        found = (self._known.get(task_id) or self._read_task(task_id) for task_id in ids)
        return {task.id: task for task in found if task}

    async def whole_tasks(self, ids: Sequence[str]) -> dict[str, tuple[Task, Bodies]]:
        """Return those of the tasks that exist, each with its bodies, by id."""
        tasks = await self.tasks(ids)
        bodies = await self.bodies([task.seq for task in tasks.values()])
        # What is gone by now was deleted between the two.
        return {i: (task, bodies[task.seq]) for i, task in tasks.items() if task.seq in bodies}

    def _read_task(self, task_id: str) -> Task | None:
        rows = self._read("SELECT doc FROM tasks WHERE id = ?", task_id)
        if not rows:
            return None
        task = read_task(rows[0][0])
        if not self._writing.locked():  # else it may change before the commit tells of it
            self._known.keep((task,))
        return task

    async def deleted(self, ids: Sequence[str]) -> dict[str, Deleted]:
        """Return what is kept of those of the ids whose task was deleted."""
        sql = "SELECT queue, retried_by FROM used_ids WHERE id = ?"
        return {task_id: Deleted(*row) for task_id in ids for row in self._read(sql, task_id)}

    async def bodies(self, seqs: Sequence[int]) -> dict[int, Bodies]:
        """Return payload and result of each of the tasks that still exists, by ``Task.seq``."""
        rows = self._read(_BODIES, json.dumps(seqs))
        return {seq: read_bodies(*bodies) for seq, *bodies in rows}

    async def find(self, wanted: Filter, page: Page) -> list[Task]:
        """Return the next tasks that may match."""
        with self._translated():
            return listing.find(self._reader, wanted, page)

    async def ahead(self, task: Task, limit: int) -> int:
        """Count the queued tasks that come before this one, up to a limit."""
        with self._translated():
            return listing.ahead(self._reader, task, limit)

    async def find_at(self, revision: int, wanted: Filter, page: Page) -> tuple[list[Task], int]:
        """Return tasks as they stood at a past revision, and where to go on."""
        with self._snapshot():
            return listing.find_at(self._reader, revision, wanted, page)

    async def tasks_at(self, revision: int, ids: Sequence[str]) -> dict[str, Task]:
        """Return the tasks that existed at a past revision, as they stood."""
        with self._snapshot():
            return listing.tasks_at(self._reader, revision, ids)

    async def log(self, after: Mark, limit: int) -> list[Change]:
        """Return the next changes past a mark, whole units only."""
        with self._snapshot():
            listing.check_mark(self._reader, after)
            rows = self._reader.execute(_LOG, {"after": after.revision, "limit": limit})
            return [read_change(row) for row in rows]

    async def queues(self, after: str, limit: int, scope: Sequence[str] = ALL) -> list[QueueState]:
        """Return the next queues by name."""
        with self._translated():
            return listing.queues(self._reader, after, limit, scope)

    async def queue(self, name: str) -> QueueState | None:
        """Return a queue, or None if no task was ever created in it."""
        with self._translated():
            return listing.queue(self._reader, name)

    async def awake(self, status: Status, now: int, limit: int) -> list[Task]:
        """Return tasks in this status whose time has come."""
        with self._translated():
            return duties.awake(self._reader, status, now, limit)

    async def next_wake(self) -> int | None:
        """Return the earliest time at which a task must be acted on."""
        with self._translated():
            return duties.next_wake(self._reader)

    async def running(self, after: Wake, limit: int) -> list[Task]:
        """Return running tasks in the order of their wake times."""
        with self._translated():
            return duties.running(self._reader, after, limit)

    async def outlived(self, now: int, retention: int, limit: int) -> list[str]:
        """Return ids of finished tasks that were kept long enough."""
        with self._translated():
            return duties.outlived(self._reader, now, retention, limit)

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """Let several reads see one state."""
        with self._translated():
            self._reader.execute("BEGIN")
            try:
                yield
            finally:
                self._reader.execute("COMMIT")

    def _read(self, sql: str, *parameters: object) -> list[tuple]:  # type: ignore[type-arg]
        with self._translated():
            return self._reader.execute(sql, parameters).fetchall()
