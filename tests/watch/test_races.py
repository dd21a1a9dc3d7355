"""Races that the network rarely hits, brought about on purpose within one process."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from idstatus_server.engine import Ledger
from idstatus_server.engine.commands import Cancel, Create, NewTask
from idstatus_server.lifecycle import Status
from idstatus_server.limits import SECOND
from idstatus_server.model import Change, Filter, Mark
from idstatus_server.store.sqlite import SqliteStore
from idstatus_server.watch import Batch, Hub, Position, Watch, WatchOptions
from idstatus_server.watch.feed import Feeds

LONG = 60.0


class World:
    """A store, a ledger and a hub; what is committed can be held back from the hub."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.hub = Hub(store, Mark(0, 0))
        self.feeds = Feeds(self.hub)
        self.held: list[Sequence[Change]] | None = None
        self.marks = {0: Mark(0, 0)}
        self.ledger = Ledger(store, self._publish, 10_000)

    def _publish(self, _: Mark, changes: Sequence[Change]) -> None:
        self.marks |= {change.revision: change.mark for change in changes}
        if self.held is None:
            self.hub.publish(changes)
        else:
            self.held.append(changes)

    def hold(self) -> None:
        """Commit, but tell nobody yet: the moment between the disk and the loop, drawn out."""
        self.held = []

    def let_go(self) -> None:
        """Tell what was held back."""
        held, self.held = self.held or [], None
        for changes in held:
            self.hub.publish(changes)

    def forget(self) -> None:
        """Begin with a new hub, as after a restart."""
        self.hub = Hub(self.store, self.hub.newest)
        self.feeds = Feeds(self.hub)

    async def create(self, count: int = 1) -> list[str]:
        item = NewTask(queue="q", timeout=SECOND, labels={})
        return [task.id for task in await self.ledger.submit(Create([item] * count))]

    async def watch(self, revision: int, after: int = 0) -> Watch:
        watch = Watch(
            self.hub, self.feeds, WatchOptions(resume=Position(self.marks[revision], after))
        )
        await watch.start()
        return watch


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with SqliteStore(str(tmp_path / "db")) as store:
        world = World(store)
        yield world
        await world.ledger.close(5)


async def gather(watch: Watch, until: int) -> tuple[list[int], list[Batch]]:
    """Read a watch until a revision, and one bookmark more."""
    seen: list[int] = []
    batches: list[Batch] = []
    while max(seen, default=0) < until:
        async with asyncio.timeout(5):
            batches.append(await watch.next(LONG))
        seen += [change.revision for change in batches[-1].changes]
    batches.append(await watch.next(0.01))
    seen += [change.revision for change in batches[-1].changes]
    return seen, batches


async def test_a_change_read_from_the_log_before_it_is_published_does_not_come_twice(
    world: World,
) -> None:
    await world.create(3)
    world.forget()
    world.hold()
    await world.create(1)
    watch = await world.watch(0)
    first = await watch.next(LONG)
    assert {change.revision for change in first.changes} >= {1, 2, 3}
    waiting = asyncio.create_task(gather(watch, 5))
    await asyncio.sleep(0)
    world.let_go()
    await world.create(1)
    seen, _ = await waiting
    assert [change.revision for change in first.changes] + seen == [1, 2, 3, 4, 5]


async def test_no_bookmark_goes_back_behind_what_was_shown(world: World) -> None:
    await world.create(3)
    world.forget()
    world.hold()
    await world.create(1)
    watch = await world.watch(0)
    first = await watch.next(LONG)
    shown = first.changes[-1].revision
    bookmark = await watch.next(0.01)
    assert bookmark.position.mark.revision >= shown
    world.let_go()


async def test_an_overflow_at_the_very_end_of_a_bookmark_interval_leaves_no_gap(
    world: World,
) -> None:
    """In one round of the loop the time is up, and then a commit overflows the buffer."""
    await world.create(1)
    watch = await world.watch(1)
    world.hold()
    await asyncio.gather(*(world.create(999) for _ in range(3)))
    changes = [change for held in world.held or () for change in held]
    world.held = None
    loop = asyncio.get_running_loop()
    ends = loop.time() + 0.2
    waiting = asyncio.create_task(watch.next(0.2))
    loop.call_at(ends - 0.01, sleep_through, ends + 0.05)
    loop.call_at(ends + 0.04, world.hub.publish, changes)
    seen = [change.revision for change in (await waiting).changes]
    while len(seen) < len(changes):
        batch = await watch.next(0.5)
        assert batch.changes, f"the watch stands at {batch.position} and has shown {len(seen)}"
        seen += [change.revision for change in batch.changes]
    assert seen == [change.revision for change in changes]


def sleep_through(time: float) -> None:
    """Keep the loop busy until a time."""
    while asyncio.get_running_loop().time() < time:
        pass


async def test_an_ended_hub_is_noticed_by_a_watch_that_is_far_behind(world: World) -> None:
    """A drain need not wait for a watch that reads on through the log."""
    for _ in range(10):
        await world.create(1000)
    world.forget()
    watch = await world.watch(0)
    await watch.next(LONG)
    error = RuntimeError("ended")
    world.hub.end(error)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="ended"):
        await gather(watch, 5000)


@pytest.mark.parametrize("after", [0, 50])
async def test_a_watch_that_is_far_behind_is_ended_if_the_log_does_not_go_on(
    world: World, after: int
) -> None:
    """Whether it reads a snapshot or the log: what it read next would be of another history."""
    for _ in range(10):
        await world.create(100)
    watch = await world.watch(500, after)
    await watch.next(LONG)
    error = RuntimeError("lost")
    world.hub.restart(Mark(100, 1), error)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="lost"):
        await gather(watch, 1000)


async def test_a_snapshot_page_stays_small_however_much_has_changed_since(world: World) -> None:
    """All that the filter once matched has left it: the rest must still come in pages."""
    ids = [task_id for _ in range(3) for task_id in await world.create(1000)]
    wanted = Filter(statuses=frozenset({Status.QUEUED}))
    watch = Watch(world.hub, world.feeds, WatchOptions(wanted=wanted))
    await watch.start()
    first = await watch.next(LONG)
    await asyncio.gather(*(world.ledger.submit(Cancel(task_id)) for task_id in ids))
    second = await watch.next(LONG)
    assert len(first.changes) <= 200
    assert len(second.changes) <= 1000
