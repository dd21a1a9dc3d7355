"""What is read from the store for a scrape is bounded, and read now and then only."""

import logging
import os
import signal
import time
from collections.abc import AsyncIterator

import pytest
from postgres_server import PostgresServer
from prometheus_client import CollectorRegistry

from idstatus_server.engine import Ledger
from idstatus_server.engine.commands import Claim, Create, NewTask
from idstatus_server.lifecycle import Status
from idstatus_server.limits import SECOND
from idstatus_server.metrics.events import Events
from idstatus_server.metrics.state import Watchers
from idstatus_server.metrics.survey import Survey, Surveyor
from idstatus_server.observe import UNOBSERVED
from idstatus_server.store.base import Store
from idstatus_server.store.postgres import PostgresStore
from idstatus_server.store.sqlite import MEMORY, SqliteStore
from idstatus_server.watch import Hub, Watch, WatchOptions
from idstatus_server.watch.feed import Feeds


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    """A store with a task in each of many queues."""
    async with SqliteStore(MEMORY) as store:
        ledger = Ledger(store, lambda _before, _changes: None, 10_000)
        items = [NewTask(queue=f"q{n:04}", timeout=10**6, labels={}) for n in range(1100)]
        await ledger.submit(Create(tuple(items)))
        await ledger.close(5)
        yield store


async def surveyed(store: Store, hub: Hub) -> Survey:
    """Return how the store is now."""
    survey = await Surveyor(store, hub, UNOBSERVED).survey()
    assert survey
    return survey


async def test_a_thousand_queues_are_told_of_and_that_there_are_more(store: SqliteStore) -> None:
    survey = await surveyed(store, Hub(store, (await store.head()).newest))
    names = [state.queue.name for state in survey.queues]
    assert names == [f"q{n:04}" for n in range(1000)]
    assert survey.more_queues


async def test_who_asks_again_soon_is_given_the_same(store: SqliteStore) -> None:
    surveyor = Surveyor(store, Hub(store, (await store.head()).newest), UNOBSERVED)
    first = await surveyor.survey()
    assert first is await surveyor.survey()


async def test_what_timers_leave_is_overdue_after_5_s_and_a_hub_that_hears_nothing_behind() -> None:
    now = [1_000_000 * SECOND]
    async with SqliteStore(MEMORY, clock=lambda: now[0]) as store:
        hub = Hub(store, (await store.head()).newest)
        ledger = Ledger(store, lambda _before, _changes: None, 10)
        delayed = NewTask(queue="q", timeout=60 * SECOND, labels={}, delay=SECOND)
        await ledger.submit(Create((delayed, delayed._replace(delay=0))))
        await ledger.submit(Claim(queues=("q",), max_tasks=1, lease=SECOND, max_bytes=1000))
        assert (await surveyed(store, hub)).hub_lag == 3
        for later, overdue in ((5 * SECOND, 0), (2 * SECOND, 1)):
            now[0] += later
            found = (await surveyed(store, hub)).overdue
            assert found == {Status.DELAYED: overdue, Status.RUNNING: overdue}
        await ledger.close(5)


async def test_watchers_are_counted_by_phase_and_the_last_of_them_is_told_of() -> None:
    async with SqliteStore(MEMORY) as store:
        hub = Hub(store, (await store.head()).newest)
        ledger = Ledger(store, lambda _before, changes: hub.publish(changes), 10)
        watch = Watch(hub, Feeds(hub), WatchOptions())
        await watch.start()
        assert Watchers.of(hub) == ({"snapshot": 1}, 0)
        assert (await watch.next(0)).snapshot_complete
        await ledger.submit(Create((NewTask(queue="q", timeout=60 * SECOND, labels={}),) * 2))
        assert Watchers.of(hub) == ({"behind": 1}, 2)
        assert len((await watch.next(1)).changes) == 2
        await watch.next(0)
        assert Watchers.of(hub) == ({"live": 1}, 0)
        watch.close()
        await ledger.close(5)


async def test_a_store_that_does_not_answer_is_not_waited_for_but_told_of_once(
    postgres: PostgresServer, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    registry = CollectorRegistry()
    caplog.set_level(logging.INFO, "idstatus_server.metrics")
    async with PostgresStore(database) as store:
        hub = Hub(store, (await store.head()).newest)
        surveyor = Surveyor(store, hub, Events(registry))
        frozen = postgres.processes()
        for process in frozen:
            os.kill(process, signal.SIGSTOP)
        asked = time.monotonic()
        try:
            assert await surveyor.survey() is None
            assert await surveyor.survey() is None
        finally:
            for process in frozen:
                os.kill(process, signal.SIGCONT)
            assert time.monotonic() - asked < 10  # once 2 s, and at once then
        labels = {"during": "survey", "kind": "unavailable"}
        assert registry.get_sample_value("idstatus_store_errors_total", labels) == 1
        surveyor._asked = float("-inf")
        assert await surveyor.survey()
    assert [record.message for record in caplog.records] == [
        "the store cannot be read for the metrics: it did not answer within 2 s",
        "the store can be read for the metrics again",
    ]
