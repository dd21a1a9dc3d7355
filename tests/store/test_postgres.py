"""The conformance suite on a real PostgreSQL, and what is PostgreSQL's own."""

import asyncio
from typing import Any

import asyncpg
import pytest
from store import conformance, conformance_reads
from store.author import Author
from store.conformance import START, OpenStore

from idstatus_server.errors import StartError, StoreUnavailableError
from idstatus_server.store.base import Needs
from idstatus_server.store.postgres import PostgresStore
from idstatus_server.store.postgres.locking import BEGIN, HOLD_HEAD

PATIENCE = 60.0


class OnPostgres:
    @pytest.fixture
    def url(self, database: str) -> str:
        return database

    @pytest.fixture
    def open_store(self, url: str) -> OpenStore:
        return lambda: PostgresStore(url)


class TestCommits(OnPostgres, conformance.Commits): ...


class TestDurability(OnPostgres, conformance.Durability): ...


class TestLoads(OnPostgres, conformance.Loads): ...


class TestBodies(OnPostgres, conformance.BodiesApart): ...


class TestLists(OnPostgres, conformance_reads.Lists): ...


class TestHistory(OnPostgres, conformance_reads.History): ...


class TestDuties(OnPostgres, conformance_reads.Duties): ...


class TestSharing(OnPostgres):
    async def test_ten_may_start_at_once_on_an_empty_database(self, url: str) -> None:
        stores = [PostgresStore(url) for _ in range(10)]
        await asyncio.gather(*(store.__aenter__() for store in stores))
        assert len({store.store_id for store in stores}) == 1
        await asyncio.gather(*(store.close() for store in stores))

    async def test_revisions_are_dense_over_several_stores(self, url: str) -> None:
        async with PostgresStore(url) as one, PostgresStore(url) as other:
            await asyncio.gather(
                *(
                    Author(store).create(f"{number}-{index}")
                    for index, store in enumerate((one, other))
                    for number in range(20)
                )
            )
            for store in (one, other):
                log = await store.log(START, 100)
                assert [change.revision for change in log] == list(range(1, 41))

    async def test_a_store_is_woken_by_the_commits_of_others_not_by_its_own(
        self, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("idstatus_server.store.postgres.listening._POLL", 60.0)
        async with PostgresStore(url) as store, PostgresStore(url) as other:
            heard: asyncio.Queue[None] = asyncio.Queue()
            store.follow(lambda: heard.put_nowait(None), lambda _: None)
            await heard.get()  # it looks once by itself
            await is_listening(store)
            for name in "abc":
                await Author(store).create(name)
            await Author(other).create("d")  # hints come in the order of the commits
            await heard.get()
            assert heard.empty()

    async def test_a_newer_schema_is_refused(self, url: str) -> None:
        async with PostgresStore(url):
            pass
        db = await asyncpg.connect(url)
        await db.execute("INSERT INTO idstatus.migrations VALUES (99)")
        await db.close()
        with pytest.raises(StartError, match="newer than"):
            await PostgresStore(url).__aenter__()

    async def test_what_the_database_suffers_makes_it_unavailable_and_a_bug_does_not(
        self, url: str
    ) -> None:
        async with PostgresStore(url) as store:
            for bug in (
                asyncpg.UndefinedTableError("SELECT * FROM nowhere"),
                asyncpg.NotNullViolationError("INSERT INTO idstatus.duty VALUES (NULL)"),
            ):
                with pytest.raises(type(bug)):
                    await store._rows(str(bug))
            with pytest.raises(asyncpg.DataError):
                await store._rows("SELECT $1::bigint", "no number")
            with pytest.raises(asyncpg.InterfaceError):
                await store._rows("SELECT $1::bigint")
            with pytest.raises(StoreUnavailableError, match="terminating connection"):
                await store._rows("SELECT pg_terminate_backend(pg_backend_pid())")
            with pytest.raises(StoreUnavailableError, match="canceling statement"):
                await store._rows("SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(9)")
            assert (await store.head()).newest.revision == 0

    async def test_a_connection_lost_within_a_commit_makes_it_unavailable(self, url: str) -> None:
        async with PostgresStore(url) as store:
            with pytest.raises(StoreUnavailableError):
                await self.lose_a_commit(store)
            await Author(store).create("a")

    async def lose_a_commit(self, store: PostgresStore) -> None:
        async with store.transaction() as transaction:
            victim = transaction._db.get_server_pid()
            await store._rows("SELECT pg_terminate_backend($1)", victim)
            await transaction.load(Needs(ids=frozenset({"a"})))

    @pytest.mark.parametrize("where", ["before", "amid", "after"])
    async def test_who_falls_silent_with_the_head_in_its_hands_loses_it(
        self, url: str, where: str
    ) -> None:
        """Before a statement, between its two halves, and with its answer unread."""
        async with PostgresStore(url) as store, asyncio.timeout(PATIENCE):
            store.follow(lambda: None, lambda _: None)
            silent: Any = await asyncpg.connect(url)
            await silent.execute(BEGIN)
            await silent.execute(HOLD_HEAD)
            if where == "amid":
                await silent.prepare("SELECT 1")
            if where == "after":
                unread = asyncio.create_task(silent.fetch("SELECT repeat('x', 50000000)"))
                await asyncio.sleep(0)
                silent._transport.pause_reading()
            await Author(store).create("a")  # sooner than one who waits loses patience
            if where == "after":
                silent.terminate()
                await asyncio.wait([unread])
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
                await silent.execute("COMMIT")

    async def test_a_database_out_of_reach_is_refused(self) -> None:
        with pytest.raises(StartError, match="cannot connect"):
            await PostgresStore("postgresql://nobody@127.0.0.1:1/none").__aenter__()


async def is_listening(store: PostgresStore) -> None:
    """Return once a hint would be heard."""
    sql = """
    SELECT true FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE 'SELECT current_setting%'"""
    while not await store._rows(sql):
        await asyncio.sleep(0.01)
