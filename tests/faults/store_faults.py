"""Faults of the store, each a function that switches it on."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faults.switching import OFTEN, every, put

from idstatus_server.model import Task, replace
from idstatus_server.store import rows
from idstatus_server.store.base import Bodies
from idstatus_server.store.sqlite import SqliteStore, opening, writing


def lost_fsync() -> None:
    """The disk says that it wrote what it did not: after a kill, the end of the log is gone."""
    connect, open_writer = opening.connect, opening.open_writer

    def lazy(path: str) -> Any:
        db = connect(path)
        db.execute("PRAGMA wal_autocheckpoint = 0")  # all that is new lies in the log
        return db

    def after_a_kill(path: str) -> Any:
        log = Path(f"{path}-wal")
        if log.exists():
            os.truncate(log, log.stat().st_size * 9 // 10)
        return open_writer(path)

    put(opening, "connect", lazy)
    put(opening, "open_writer", after_a_kill)


def stale_read() -> None:
    """A read may show a task as it was in the beginning."""
    tasks, now = SqliteStore.tasks, every(OFTEN)

    async def stale(self: SqliteStore, ids: Sequence[str]) -> dict[str, Task]:
        found = await tasks(self, ids)
        return {i: task.as_created() if now() else task for i, task in found.items()}

    put(SqliteStore, "tasks", stale)


def mixed_up_payloads() -> None:
    """A task may be given the payload of another."""
    bodies = SqliteStore.bodies

    async def mixed(self: SqliteStore, seqs: Sequence[int]) -> dict[int, Bodies]:
        found = await bodies(self, seqs)
        payloads = [*(body.payload for body in found.values()), b"of nobody"]
        shifted = zip(found.items(), payloads[1:], strict=True)
        return {seq: body._replace(payload=payload) for (seq, body), payload in shifted}

    put(SqliteStore, "bodies", mixed)


def forgotten_key() -> None:
    """The store does not know who holds a unique key."""
    columns = rows.task_columns
    for module in (rows, writing):  # of new tasks, and of those that change
        put(module, "task_columns", lambda task: columns(replace(task, unique_key="")))


STORE_FAULTS = (lost_fsync, stale_read, mixed_up_payloads, forgotten_key)
