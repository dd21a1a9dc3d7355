"""The conformance suite on SQLite, and what is SQLite's own."""

import sqlite3
from pathlib import Path

import pytest
from store import conformance, conformance_reads
from store.conformance import START, OpenStore

from idstatus_server.errors import StartError, StoreUnavailableError
from idstatus_server.store.sqlite import SqliteStore


class OnDisk:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "idstatus.db"

    @pytest.fixture
    def open_store(self, path: Path) -> OpenStore:
        return lambda: SqliteStore(str(path))


class TestCommits(OnDisk, conformance.Commits): ...


class TestDurability(OnDisk, conformance.Durability): ...


class TestLoads(OnDisk, conformance.Loads): ...


class TestBodies(OnDisk, conformance.BodiesApart): ...


class TestLists(OnDisk, conformance_reads.Lists): ...


class TestHistory(OnDisk, conformance_reads.History): ...


class TestDuties(OnDisk, conformance_reads.Duties): ...


class InMemory:
    @pytest.fixture
    def open_store(self) -> OpenStore:
        return lambda: SqliteStore(":memory:")


class TestCommitsInMemory(InMemory, conformance.Commits): ...


class TestLoadsInMemory(InMemory, conformance.Loads): ...


class TestHistoryInMemory(InMemory, conformance_reads.History): ...


class TestOpening(OnDisk):
    async def test_a_second_server_is_kept_off(self, path: Path) -> None:
        async with SqliteStore(str(path)):
            with pytest.raises(StartError, match="in use by another"):
                SqliteStore(str(path))
        async with SqliteStore(str(path)):
            pass

    async def test_a_newer_schema_is_refused(self, path: Path) -> None:
        async with SqliteStore(str(path)):
            pass
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 99")
        with pytest.raises(StartError, match="newer than"):
            SqliteStore(str(path))

    async def test_a_database_of_another_program_is_refused(self, path: Path) -> None:
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE theirs (x)")
        with pytest.raises(StartError, match="of another program"):
            SqliteStore(str(path))

    async def test_a_file_that_is_no_database_is_refused(self, path: Path) -> None:
        path.write_bytes(b"not a database" * 100)  # noqa: ASYNC240  # before anything runs
        with pytest.raises(StartError, match="file is not a database"):
            SqliteStore(str(path))

    async def test_a_locked_database_is_refused(self, path: Path) -> None:
        async with SqliteStore(str(path)):
            pass
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StartError, match="locked"):
            SqliteStore(str(path))
        other.close()

    async def test_a_lock_that_another_program_takes_later_makes_writes_unavailable(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("idstatus_server.store.sqlite.store._BUSY_TRIES", 2)
        async with SqliteStore(str(path)) as store:
            other = sqlite3.connect(path, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailableError):
                async with store.transaction():
                    pass
            other.execute("COMMIT")
            other.close()
            async with store.transaction() as transaction:
                assert transaction.head == START

    async def test_what_the_file_suffers_makes_it_unavailable_and_a_bug_does_not(
        self, path: Path
    ) -> None:
        async with SqliteStore(str(path)) as store:
            for bug in ("SELECT * FROM nowhere", "INSERT INTO head (nothing) VALUES (1)"):
                with pytest.raises(sqlite3.OperationalError):
                    store._read(bug)
            with pytest.raises(sqlite3.IntegrityError):
                store._read("INSERT INTO counts VALUES (NULL, NULL, NULL)")
            with pytest.raises(sqlite3.ProgrammingError):
                store._read("SELECT ?")
            store._reader.execute("PRAGMA query_only = on")
            with pytest.raises(StoreUnavailableError, match="readonly"):
                store._read("DELETE FROM head")
