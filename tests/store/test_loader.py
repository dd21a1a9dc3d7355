"""Many readers share a query, and each sees what was committed before it asked."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest
from store.author import Author

from idstatus_server.call import NO_CALL, Call, at_hand
from idstatus_server.errors import StoreUnavailableError
from idstatus_server.lifecycle import Status
from idstatus_server.model import Task
from idstatus_server.store.postgres import PostgresStore, loader
from idstatus_server.store.postgres.loader import Loader

PATIENCE = 60.0
Loaded = dict[str, Task]


class Slow:
    """Loads tasks, and brings what it has read only while the gate is open."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store
        self._loader = Loader(self._query)
        self.asked: list[Sequence[str]] = []
        self.gate = asyncio.Event()
        self.has_read = asyncio.Event()

    async def _query(self, ids: Sequence[str]) -> Loaded:
        self.asked.append(ids)
        gate = self.gate
        found = await self._store._load_tasks(ids)
        self.has_read.set()
        await gate.wait()
        return found

    def load(self, *ids: str) -> asyncio.Task[Loaded]:
        return asyncio.create_task(self._loader.load(ids))

    async def hold(self, *ids: str) -> asyncio.Task[Loaded]:
        """Return a load that has read, and is on its way back."""
        self.has_read.clear()
        load = self.load(*ids)
        await self.has_read.wait()
        return load


@pytest.fixture
async def store(database: str) -> AsyncIterator[PostgresStore]:
    async with PostgresStore(database) as store:
        yield store


@pytest.fixture
def author(store: PostgresStore) -> Author:
    return Author(store)


@pytest.fixture
def slow(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> Slow:
    monkeypatch.setattr(loader, "_QUERIES", 1)  # so that it is plain who shares which
    return Slow(store)


async def test_those_who_come_while_a_query_is_under_way_share_the_next(
    slow: Slow, author: Author
) -> None:
    a, b = [await author.create(name) for name in "ab"]
    first = await slow.hold("a")
    others = [slow.load(*ids) for ids in ("b", "ab", "c")]
    slow.gate.set()
    assert await first == {"a": a}
    assert await asyncio.gather(*others) == [{"b": b}, {"a": a, "b": b}, {}]
    assert slow.asked == [["a"], ["b", "a", "c"]]


async def test_who_comes_while_a_query_is_under_way_sees_a_commit_made_meanwhile(
    slow: Slow, author: Author
) -> None:
    queued = await author.create("a")
    first = await slow.hold("a")
    running = await author.move(queued, Status.RUNNING)
    second = slow.load("a")
    slow.gate.set()
    assert await first == {"a": queued}
    assert await second == {"a": running}


async def test_a_query_is_not_of_the_call_that_happens_to_begin_it() -> None:
    async def query(keys: Sequence[str]) -> dict[str, Call]:
        return dict.fromkeys(keys, at_hand.get())

    at_hand.set(Call("a/Call", task_id="a"))
    assert await Loader(query).load(["key"]) == {"key": NO_CALL}


async def test_readers_see_what_they_were_told_is_committed(
    store: PostgresStore, author: Author
) -> None:
    async def read() -> None:
        while tasks[-1].revision < 20:
            at_least = tasks[-1].revision
            assert (await store.tasks(["a"]))["a"].revision >= at_least

    tasks = [await author.create("a")]
    readers = [asyncio.create_task(read()) for _ in range(20)]
    while tasks[-1].revision < 20:
        tasks.append(await author.move(tasks[-1], Status.RUNNING))
    await asyncio.gather(*readers)


async def test_too_many_keys_are_asked_for_in_several_queries(
    slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "_KEYS", 2)
    slow.gate.set()
    await asyncio.gather(*(slow.load(name) for name in "abcde"))
    assert slow.asked == [["a", "b"], ["c", "d"], ["e"]]


async def test_a_crowd_waits_for_more_and_then_for_nobody(
    slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def come_one_by_one() -> list[asyncio.Task[Loaded]]:
        loads = []
        for name in "abcdefgh":
            loads.append(slow.load(name))
            await asyncio.sleep(0)
        return loads

    slow.gate.set()
    await asyncio.gather(*(slow.load(name) for name in "abcdefgh"))
    await asyncio.gather(*await come_one_by_one())
    assert [len(ids) for ids in slow.asked] == [8, 8]
    monkeypatch.setattr(loader, "_ENOUGH", 1)
    await slow.load("a")
    await asyncio.gather(*await come_one_by_one())
    assert len(slow.asked[3]) < 8


async def test_a_query_that_is_stuck_does_not_keep_others_waiting(
    slow: Slow, author: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "_QUERIES", 2)
    monkeypatch.setattr(loader, "_SLOW", 0.0)
    task = await author.create("a")
    stuck = await slow.hold("a")
    shut, slow.gate = slow.gate, asyncio.Event()
    held = await slow.hold("b")
    waiting = slow.load("c")
    slow.gate.set()
    assert await held == await waiting == await slow.load("d") == {}
    shut.set()
    assert await stuck == {"a": task}


async def test_a_caller_who_leaves_does_no_harm_to_those_who_share_its_query(
    slow: Slow, author: Author
) -> None:
    task = await author.create("a")
    first = await slow.hold("z")
    leaving, staying = slow.load("a"), slow.load("a")
    slow.gate.set()
    await first
    slow.gate.clear()
    slow.has_read.clear()
    await slow.has_read.wait()
    leaving.cancel()
    slow.gate.set()
    assert await staying == {"a": task}
    assert leaving.cancelled()


async def test_a_query_whose_callers_have_all_gone_is_given_up(slow: Slow, author: Author) -> None:
    task = await author.create("a")
    first = await slow.hold("a")
    second = slow.load("a")
    first.cancel()
    await slow.hold("a")  # though the gate is shut
    slow.gate.set()
    assert await second == {"a": task}


async def test_a_lost_connection_fails_those_who_share_it_and_nobody_else(
    store: PostgresStore, author: Author, database: str
) -> None:
    task = await author.create("a")
    db = await asyncpg.connect(database)
    async with db.transaction():
        await db.execute("LOCK TABLE idstatus.tasks")
        lost = [asyncio.create_task(store.tasks(["a"])) for _ in range(3)]
        async with asyncio.timeout(PATIENCE):
            while not await end_who_waits(db):
                await asyncio.sleep(0.01)
        for failed in await asyncio.gather(*lost, return_exceptions=True):
            assert isinstance(failed, StoreUnavailableError)
        next_one = asyncio.create_task(store.tasks(["a"]))
    assert await next_one == {"a": task}
    await db.close()


async def end_who_waits(db: asyncpg.Connection) -> bool:
    """End the connection that waits for the lock, if one does."""
    sql = """
    SELECT pg_terminate_backend(pid) FROM pg_locks
    WHERE NOT granted AND relation = 'idstatus.tasks'::regclass"""
    return bool(await db.fetch(sql))
