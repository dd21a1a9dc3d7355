"""A standby takes over from a real primary; the store follows."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator

import asyncpg
import pytest
from postgres_pair import PostgresPair
from postgres_server import PostgresServer
from store.author import Author

from idstatus_server.errors import StoreUnavailableError
from idstatus_server.store.postgres import PostgresStore

PATIENCE = 60.0


@pytest.fixture
def pair(postgres_version: int) -> Iterator[PostgresPair]:
    pair = PostgresPair(postgres_version)
    yield pair.start(synchronous=False)
    pair.stop()


def turn_read_only(primary: PostgresServer) -> None:
    primary.configure(default_transaction_read_only="on")


def stand_still(primary: PostgresServer) -> None:
    for process in primary.processes():
        os.kill(process, signal.SIGSTOP)


def die(primary: PostgresServer) -> None:
    primary.kill()


@pytest.mark.parametrize("end", [turn_read_only, stand_still, die])
async def test_a_store_follows_its_database_to_another_host(
    pair: PostgresPair, end: Callable[[PostgresServer], None]
) -> None:
    url = pair.new_database()
    async with PostgresStore(url) as store:
        woken = asyncio.Event()
        store.follow(woken.set, lambda _: None)
        author = Author(store)
        await author.create("before")
        async with asyncio.timeout(PATIENCE):
            while not await asyncio.to_thread(pair.is_even):
                await asyncio.sleep(0.05)
            await asyncio.to_thread(end, pair.primary)
            await asyncio.to_thread(pair.promote)
            while True:
                try:
                    await author.create("after")
                except StoreUnavailableError:
                    continue
                break
            assert set(await store.tasks(["before", "after"])) == {"before", "after"}
            while not await is_listened_to(pair.standby):
                await asyncio.sleep(0.05)


async def is_listened_to(server: PostgresServer) -> bool:
    db = await asyncpg.connect(server.url("postgres"))
    try:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%read_only%' AND pid <> $1"
        return bool(await db.fetchval(sql, db.get_server_pid()))
    finally:
        await db.close()
