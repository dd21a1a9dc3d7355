"""What is read from the store for a scrape is bounded, and read now and then only."""

from collections.abc import AsyncIterator

import pytest

from idstatus_server.engine import Ledger
from idstatus_server.engine.commands import Create, NewTask
from idstatus_server.metrics.survey import Surveyor
from idstatus_server.store.sqlite import MEMORY, SqliteStore
from idstatus_server.watch import Hub


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    """A store with a task in each of many queues."""
    async with SqliteStore(MEMORY) as store:
        ledger = Ledger(store, lambda _before, _changes: None, 10_000)
        items = [NewTask(queue=f"q{n:04}", timeout=10**6, labels={}) for n in range(1100)]
        await ledger.submit(Create(tuple(items)))
        await ledger.close(5)
        yield store


async def test_a_thousand_queues_are_told_of_and_that_there_are_more(store: SqliteStore) -> None:
    survey = await Surveyor(store, Hub(store, (await store.head()).newest)).survey()
    assert survey
    names = [state.queue.name for state in survey.queues]
    assert names == [f"q{n:04}" for n in range(1000)]
    assert survey.more_queues


async def test_who_asks_again_soon_is_given_the_same(store: SqliteStore) -> None:
    surveyor = Surveyor(store, Hub(store, (await store.head()).newest))
    first = await surveyor.survey()
    assert first is await surveyor.survey()
