"""A watch that has ended is gone at once: the garbage collector comes rarely."""

import asyncio
import gc
import weakref
from collections.abc import Iterator
from contextlib import suppress

import pytest

from idstatus_server.model import Filter
from idstatus_server.store.sqlite import SqliteStore
from idstatus_server.watch import Hub, Watch, WatchOptions
from idstatus_server.watch.feed import Feeds


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
async def test_a_watch_that_is_cancelled_while_it_waits_leaves_nothing() -> None:
    async with SqliteStore(":memory:") as store:
        hub = Hub(store, (await store.head()).newest)
        watch = Watch(hub, Feeds(hub), WatchOptions(wanted=Filter(), skip_snapshot=True))
        await watch.start()
        await watch.next(60)
        waiting = asyncio.create_task(watch.next(60))
        await asyncio.sleep(0)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        watch.close()
        left = weakref.ref(watch)
        del watch, waiting
        await asyncio.sleep(0)
        assert left() is None
