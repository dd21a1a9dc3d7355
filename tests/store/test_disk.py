"""The thread that waits for the disk, and what a read sees while it does."""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from store.author import Author

from idstatus_server.errors import StoreUnavailableError
from idstatus_server.lifecycle import Status
from idstatus_server.model import Kind, Task, replace
from idstatus_server.store.sqlite import SqliteStore, opening
from idstatus_server.store.sqlite.disk import Disk


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    yield disk
    disk.close()


def test_a_commit_is_on_the_disk_when_it_returns(tmp_path: Path) -> None:
    """No kill of a process shows it, only a power cut; so it is asked of SQLite."""
    db = opening.open_writer(str(tmp_path / "idstatus.db")).db
    full = 2
    assert db.execute("PRAGMA synchronous").fetchone() == (full,)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()


async def test_jobs_run_one_after_the_other_off_the_event_loop(disk: Disk) -> None:
    done: list[tuple[int, int]] = []

    def job(number: int) -> None:
        done.append((number, threading.get_ident()))

    await asyncio.gather(*(disk.run(lambda n=n: job(n)) for n in range(5)))  # type: ignore[misc]
    assert [number for number, _ in done] == [0, 1, 2, 3, 4]
    assert threading.get_ident() not in {thread for _, thread in done}


async def test_what_a_job_raises_is_told_and_the_next_runs(disk: Disk) -> None:
    with pytest.raises(ZeroDivisionError):
        await disk.run(lambda: 1 // 0)
    await disk.run(lambda: None)


async def test_one_who_is_cancelled_waits_for_the_end_of_the_job(disk: Disk) -> None:
    begun, may_end = threading.Event(), threading.Event()
    ended: list[bool] = []

    def job() -> None:
        begun.set()
        may_end.wait(60)
        ended.append(True)

    caller = asyncio.create_task(disk.run(job))
    await asyncio.to_thread(begun.wait)
    caller.cancel()
    await asyncio.sleep(0)
    assert not caller.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert ended


class HeldDisk(Disk):
    """The real thread, which does nothing before it ``may_go_on``."""

    def __init__(self) -> None:
        super().__init__()
        self.held, self.may_go_on = threading.Event(), threading.Event()

    async def run(self, job: Callable[[], object]) -> None:
        def held() -> None:
            self.held.set()
            self.may_go_on.wait(60)
            job()

        await super().run(held)


class FullDisk(Disk):
    """A thread that finds the disk full."""

    async def run(self, job: Callable[[], object]) -> None:
        full = sqlite3.OperationalError("database or disk is full")
        full.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise full


def fit(store: SqliteStore, disk: Disk) -> None:
    """Give the store another disk."""
    assert store._disk
    store._disk.close()
    store._disk = disk


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "idstatus.db")


async def queued(author: Author) -> Task:
    task = Task(id="a", queue="q", timeout=1, status=Status.QUEUED)
    (made,) = await author.commit((Kind.TRANSITION, None, task))
    return made


def cancelled(task: Task) -> tuple[Kind, Task, Task]:
    return Kind.TRANSITION, task, replace(task, status=Status.CANCELLED)


async def status_of(store: SqliteStore) -> Status:
    return (await store.tasks(["a"]))["a"].status


async def test_a_read_amid_a_commit_sees_what_was_and_then_what_is(path: str) -> None:
    async with SqliteStore(path) as store:
        author = Author(store)
        task = await queued(author)
        assert await status_of(store) is Status.QUEUED
        disk = HeldDisk()
        fit(store, disk)
        commit = asyncio.create_task(author.commit(cancelled(task)))
        await asyncio.to_thread(disk.held.wait)
        for _ in range(3):
            assert await status_of(store) is Status.QUEUED
        disk.may_go_on.set()
        await commit
        assert await status_of(store) is Status.CANCELLED


async def test_after_a_commit_that_failed_a_read_sees_what_was(path: str) -> None:
    async with SqliteStore(path) as store:
        author = Author(store)
        task = await queued(author)
        fit(store, FullDisk())
        with pytest.raises(StoreUnavailableError):
            await author.commit(cancelled(task))
        assert await status_of(store) is Status.QUEUED


async def test_after_a_commit_whose_caller_was_cancelled_a_read_sees_what_is(path: str) -> None:
    async with SqliteStore(path) as store:
        author = Author(store)
        task = await queued(author)
        disk = HeldDisk()
        fit(store, disk)
        commit = asyncio.create_task(author.commit(cancelled(task)))
        await asyncio.to_thread(disk.held.wait)
        assert await status_of(store) is Status.QUEUED
        commit.cancel()
        disk.may_go_on.set()
        with contextlib.suppress(asyncio.CancelledError):
            await commit
        with sqlite3.connect(path) as truth:
            (stored,) = truth.execute("SELECT status FROM tasks WHERE id = 'a'").fetchone()
        assert stored == Status.CANCELLED
        assert await status_of(store) is Status.CANCELLED
