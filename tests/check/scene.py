# ruff: noqa: S608  # all SQL here is the tests' own
"""A small store in which everything has happened, and ways to break it."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import asyncpg
import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from idstatus.v1 import task_pb2 as m
from idstatus_server.check import Breach, audit
from idstatus_server.engine import Ledger
from idstatus_server.engine.commands import (
    Cancel,
    Claim,
    Create,
    Delete,
    Extend,
    Finish,
    NewTask,
    Report,
    Retry,
    WantedLease,
)
from idstatus_server.engine.commands.request import RequestKey
from idstatus_server.lifecycle import Reason, Status
from idstatus_server.limits import SECOND
from idstatus_server.model import Outcome, RetryPolicy, Task
from idstatus_server.store.base import Store
from idstatus_server.store.rows import document
from idstatus_server.stores import open_snapshot, open_store, sqlite_path

HOUR = 3600 * SECOND  # longer than any test
DONE = Outcome(status=Status.SUCCESS)
# What calls answer that would have to read what is damaged, and a filter that reads all tasks.
DAMAGED = ("UNAVAILABLE", "STORE_UNAVAILABLE")
SINCE_1970 = m.TaskFilter(create_time=m.TimeRange(start=Timestamp(seconds=1)))
_DOCUMENTS = (
    ("tasks", "doc"),
    ("log", "before"),
    ("log", "after"),
    ("queues", "doc"),
    ("requests", "answer"),
)
FAILED = Outcome(status=Status.ERROR, reason=Reason.BAD_EXIT)


class Author:
    """Lets tasks live, one command a commit."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def create(self, task_id: str, **fields: object) -> Task:
        item = NewTask(
            queue=task_id,
            timeout=HOUR,
            labels={"colour": "red"},
            task_id=task_id,
            payload=b"work",
            key=RequestKey(f"request-of-{task_id}", b"fingerprint"),
        )
        (task,) = await self._ledger.submit(Create([item._replace(**fields)]))  # type: ignore[arg-type]
        return task

    async def claim(self, queue: str) -> Task:
        claim = Claim(queues=(queue,), max_tasks=1, lease=HOUR // 2, max_bytes=1 << 20)
        (task,) = (await self._ledger.submit(claim)).tasks
        return task

    async def finish(self, task: Task, outcome: Outcome) -> None:
        report = Report(task.id, task.lease_token, outcome, b"result" if outcome == DONE else b"")
        await self._ledger.submit(Finish([report]))

    async def cancel(self, task_id: str) -> None:
        await self._ledger.submit(Cancel(task_id))

    async def play(self) -> None:
        """Write the whole scene; the names tell what becomes of the tasks."""
        await self.create("done")
        await self.finish(await self.claim("done"), DONE)
        await self.create("held", unique_key="key", priority=3)
        await self.create("retried")
        await self.cancel("retried")
        await self._ledger.submit(Retry("retried"))
        await self.create("failed", retry_policy=RetryPolicy(max_retries=1))
        await self.finish(await self.claim("failed"), FAILED)
        await self.create("late")
        late = await self.claim("late")
        await self.cancel("late")
        await self.finish(late, DONE)
        await self.create("deleted")
        await self.cancel("deleted")
        await self._ledger.submit(Delete("deleted"))
        await self.create("running")
        running = await self.claim("running")
        lease = WantedLease("running", running.lease_token, duration=HOUR)
        await self._ledger.submit(Extend([lease]))
        await self.create("delayed", delay=HOUR)


@asynccontextmanager
async def author_of(store: Store) -> AsyncIterator[Author]:
    ledger = Ledger(store, lambda _before, _changes: None, 100)
    try:
        yield Author(ledger)
    finally:
        await ledger.close(5.0)


async def play(url: str) -> None:
    """Make a store with the whole scene."""
    async with open_store(url, 2) as store, author_of(store) as author:
        await author.play()


async def set_version(url: str, version: int) -> None:
    """Let a store say that its schema is of this version."""
    if sqlite_path(url):
        await execute(url, f"PRAGMA user_version = {version}")
    else:
        await execute(url, "DELETE FROM migrations", f"INSERT INTO migrations VALUES ({version})")


async def execute(url: str, *statements: str) -> None:
    """Run statements on a store that nobody serves from."""
    path = sqlite_path(url)
    if path:
        with closing(sqlite3.connect(path)) as file, file:
            for statement in statements:
                assert file.execute(statement).rowcount
        return
    db = await asyncpg.connect(url)
    await db.execute("SET search_path = idstatus")
    for statement in statements:
        assert not (await db.execute(statement)).endswith(" 0"), statement
    await db.close()


async def seal(url: str) -> None:
    """Give every document its checksum anew, as if the server had written it so."""
    path = sqlite_path(url)
    if path:
        with closing(sqlite3.connect(path)) as file, file:
            file.create_function("sealed", 1, _sealed)
            for table, column in _DOCUMENTS:
                file.execute(f"UPDATE {table} SET {column} = sealed({column})")
        return
    db = await asyncpg.connect(url)
    await db.execute("SET search_path = idstatus")
    for table, column in _DOCUMENTS:
        for (doc,) in await db.fetch(f"SELECT DISTINCT {column} FROM {table}"):
            sql = f"UPDATE {table} SET {column} = $1 WHERE {column} = $2"
            await db.execute(sql, _sealed(doc), doc)
    await db.close()


def _sealed(doc: str | None) -> str | None:
    head, seal, _ = (doc or "").rpartition(',"crc":')
    return document(msgspec.json.decode(head + "}")) if seal else doc


async def breaches(url: str) -> list[Breach]:
    """Return all that is wrong with a store."""
    async with open_snapshot(url) as snapshot:
        return [breach async for breach in audit(snapshot)]
