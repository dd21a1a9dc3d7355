"""What the hub remembers, and what it reads again for those who come back to it together."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from idstatus_server.engine import Ledger
from idstatus_server.engine.commands import Create, NewTask
from idstatus_server.errors import RevisionCompactedError, RevisionInFutureError
from idstatus_server.limits import SECOND
from idstatus_server.model import Change, Mark
from idstatus_server.store.sqlite import SqliteStore
from idstatus_server.watch import Hub, Position, Watch, WatchOptions
from idstatus_server.watch.feed import Feeds

ALL = 10_000
READERS = 50


class CountingStore(SqliteStore):
    """Counts how often its log is read."""

    reads = 0

    async def log(self, after: Mark, limit: int) -> list[Change]:
        self.reads += 1
        return await super().log(after, limit)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[CountingStore]:
    """A store in which 600 tasks were created: one by one, and together."""
    async with CountingStore(str(tmp_path / "db")) as store:
        await create(store, *[1] * 50, 250, *[1] * 50, 250)
        store.reads = 0
        yield store


async def create(store: SqliteStore, *units: int) -> list[Change]:
    made: list[Change] = []
    ledger = Ledger(store, lambda _, changes: made.extend(changes), 1000)
    item = NewTask(queue="q", timeout=SECOND, labels={})
    for size in units:
        await ledger.submit(Create([item] * size))
    await ledger.close(5)
    return made


async def restarted(store: SqliteStore) -> Hub:
    return Hub(store, (await store.head()).newest)


async def test_those_who_come_back_together_share_one_read(store: CountingStore) -> None:
    changes = await store.log(Mark(0, 0), ALL)
    places = [changes[revision - 1].mark for revision in (20, 50, 300, 340)]
    hub = await restarted(store)
    store.reads = 0
    await asyncio.gather(*(hub.read(place, 200) for place in places * READERS))
    assert store.reads <= 2 * len(places)


async def test_who_is_up_to_date_asks_for_nothing(store: CountingStore) -> None:
    hub = await restarted(store)
    assert await hub.read(hub.newest, 200) == []
    assert store.reads == 0


@pytest.mark.parametrize("limit", [1, 200, ALL])
async def test_what_is_remembered_is_what_the_log_says(store: CountingStore, limit: int) -> None:
    hub = await restarted(store)
    hub.publish(await create(store, 1, 300, 1))
    changes = await store.log(Mark(0, 0), ALL)
    for mark in dict.fromkeys((changes[-1].mark, *[c.mark for c in changes[::-97]], Mark(0, 0))):
        assert await hub.read(mark, limit) == await store.log(mark, limit)


async def test_what_is_published_meanwhile_is_remembered_once(store: CountingStore) -> None:
    hub = await restarted(store)
    reading = asyncio.create_task(hub.read(Mark(0, 0), ALL))
    await asyncio.sleep(0)
    hub.publish(await create(store, 1))
    await reading
    assert await hub.read(Mark(0, 0), ALL) == await store.log(Mark(0, 0), ALL)


async def test_a_place_of_another_history_is_refused_though_its_number_is_known(
    store: CountingStore,
) -> None:
    hub = await restarted(store)
    await hub.read(Mark(0, 0), 1)
    for revision in (50, 300, hub.newest.revision):
        with pytest.raises(RevisionInFutureError):
            await hub.read(Mark(revision, 1), 1)


async def test_a_watch_from_before_the_log_is_refused_though_the_hub_remembers(
    store: CountingStore,
) -> None:
    hub = await restarted(store)
    await hub.read(Mark(0, 0), 1)
    await store.compact(1 << 60, ALL)
    watch = Watch(hub, Feeds(hub), WatchOptions(resume=Position(Mark(0, 0))))
    with pytest.raises(RevisionCompactedError):
        await watch.start()
    watch.close()
