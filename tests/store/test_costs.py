"""What reads cost, counted in the database's own steps: they stay flat as the store grows."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from store.author import Author

from idstatus_server.lifecycle import Status
from idstatus_server.model import Filter, Kind, Task
from idstatus_server.store import rows
from idstatus_server.store.base import Page
from idstatus_server.store.sqlite import SqliteStore

Read = Callable[[], Awaitable[object]]


class Grown:
    """A store that grows, and counts the steps of its reads in hundreds."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.author = Author(store)
        self._tasks = 0

    async def grow(self, queues: Sequence[str], tasks: int) -> list[Task]:
        """Add so many tasks to each queue."""
        new = [
            Task(id=f"{queue}.{self._tasks + number}", queue=queue, timeout=1)
            for number in range(tasks)
            for queue in queues
        ]
        self._tasks += tasks
        return await self.author.commit(*((Kind.TRANSITION, None, task) for task in new))

    async def cost(self, read: Read) -> int:
        """Return how many steps a read takes."""
        steps = 0

        def count() -> None:
            nonlocal steps
            steps += 1

        self.store._reader.set_progress_handler(count, 100)
        await read()
        self.store._reader.set_progress_handler(None, 0)
        return steps


@pytest.fixture
async def grown() -> AsyncIterator[Grown]:
    async with SqliteStore(":memory:") as store:
        yield Grown(store)


def names(count: int) -> list[str]:
    return [f"q{number:03}" for number in range(count)]


async def test_a_list_of_one_queue_costs_the_same_among_many(grown: Grown) -> None:
    wanted = Filter(queues=frozenset({"q000"}))
    await grown.grow(names(3), 10)
    before = await grown.cost(lambda: grown.store.find(wanted, Page()))
    await grown.grow(names(300)[3:], 10)
    assert await grown.cost(lambda: grown.store.find(wanted, Page())) <= before + 1


@pytest.mark.parametrize("newest_first", [False, True])
async def test_a_list_by_status_does_not_read_all_that_each_queue_holds(
    grown: Grown, newest_first: bool
) -> None:
    wanted, page = Filter(statuses=frozenset({Status.QUEUED})), Page(0, 10, newest_first)
    await grown.grow(names(100), 1)
    before = await grown.cost(lambda: grown.store.find(wanted, page))
    await grown.grow(names(100), 20)
    assert await grown.cost(lambda: grown.store.find(wanted, page)) <= 2 * before


async def test_a_page_of_queues_does_not_read_what_waits_in_them(grown: Grown) -> None:
    await grown.grow(names(20), 1)
    before = await grown.cost(lambda: grown.store.queues("", 10))
    await grown.grow(names(100), 20)
    assert await grown.cost(lambda: grown.store.queues("", 10)) <= before + 1


async def test_a_page_of_the_past_costs_the_same_however_much_has_changed_since(
    grown: Grown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "LOOK_AT", 100)
    wanted = Filter(queues=frozenset({"none"}))
    past = (await grown.grow(["q"], 2000))[-1].revision
    await grown.grow(["q"], 200)
    before = await grown.cost(lambda: grown.store.find_at(past, wanted, Page()))
    await grown.grow(["q"], 1700)
    assert await grown.cost(lambda: grown.store.find_at(past, wanted, Page())) <= before + 1


async def test_counting_the_tasks_ahead_does_not_read_those_behind_nor_past_the_limit(
    grown: Grown,
) -> None:
    first = (await grown.grow(["q"], 50))[-1]
    before = await grown.cost(lambda: grown.store.ahead(first, 100))
    last = (await grown.grow(["q"], 5000))[-1]
    assert await grown.cost(lambda: grown.store.ahead(first, 100)) <= before + 1
    assert await grown.cost(lambda: grown.store.ahead(last, 100)) <= 2 * before + 1
    assert await grown.store.ahead(last, 9999) == 5049
