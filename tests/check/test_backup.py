"""The word backup: a copy of one moment, taken beside a server that serves."""

import asyncio
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from check.scene import play
from check.tools import Said, backup, check
from postgres_server import PostgresServer
from waiting import until
from watch.sites import Site
from watch.workload import Workload

from harness import SERVER, ServerProcess, sqlite_in


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path, store=sqlite_in(tmp_path)).start()
    yield server
    server.kill()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "copies"
    folder.mkdir()
    return folder / "copy.db"


def size_of_only(copy: Path) -> int:
    """Return the size of a file that nothing lies beside."""
    assert list(copy.parent.iterdir()) == [copy]
    return copy.stat().st_size


async def test_a_copy_taken_amid_the_work_is_sound_and_has_what_was_acknowledged(
    server: ServerProcess, copy: Path
) -> None:
    async with Site(server.address) as site:
        work = Workload(site, ("one", "two"), seed=21)
        await work.run(10)
        working = asyncio.create_task(work.run(10_000))
        await work.acknowledged(300)
        acknowledged = work.history.newest
        said = await asyncio.to_thread(backup, server.store, copy)
        work.enough.set()
        await working
    assert (said.status, said.err) == (0, [])
    assert said.out == [f"{copy}: {size_of_only(copy)} bytes"]
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("SELECT revision FROM head").fetchone()[0] >= acknowledged
    sound = await asyncio.to_thread(check, f"sqlite:///{copy}")
    assert sound.status == 0, sound.out


async def test_a_server_serves_from_a_copy(server: ServerProcess, copy: Path) -> None:
    async with Site(server.address) as site:
        task = await site.create(queue="q", payload=b"work")
    backup(server.store, copy)
    server.kill()
    other = ServerProcess(server.folder, store=f"sqlite:///{copy}").start()
    async with Site(other.address) as site:
        assert (await site.status(task.id)).revision == task.revision
    assert other.stop() == 0


async def test_the_store_of_a_server_that_was_killed_can_be_copied(
    server: ServerProcess, copy: Path
) -> None:
    async with Site(server.address) as site:
        task = await site.create(queue="q")
    server.kill()
    assert backup(server.store, copy).status == 0
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("SELECT id FROM tasks").fetchall() == [(task.id,)]


def refused(said: Said, status: int = 1) -> str:
    """Return the one line that refuses a backup."""
    assert (said.status, said.out) == (status, [])
    (line,) = said.err
    assert line.startswith("idstatus-server: ")
    return line


@pytest.fixture
async def store(tmp_path: Path) -> str:
    """A store at rest."""
    await play(sqlite_in(tmp_path))
    return sqlite_in(tmp_path)


def test_nothing_is_overwritten(store: str, copy: Path) -> None:
    copy.write_text("precious")
    assert "overwrites nothing" in refused(backup(store, copy))
    assert copy.read_text() == "precious"


def test_what_cannot_be_copied_is_told_in_one_line(store: str, tmp_path: Path, copy: Path) -> None:
    assert "unable to open" in refused(backup(f"sqlite:///{tmp_path}/nothing.db", copy))
    nowhere = tmp_path / "nowhere" / "copy.db"
    assert str(nowhere) in refused(backup(store, nowhere))
    assert list(copy.parent.iterdir()) == []


def test_postgresql_has_tools_of_its_own(postgres: PostgresServer, copy: Path) -> None:
    said = refused(backup(postgres.new_database(), copy), status=2)
    assert "pg_dump or pg_basebackup" in said
    assert "docs/operating.md" in said


def test_one_that_is_killed_leaves_no_half_of_a_copy(
    store: str, tmp_path: Path, copy: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "idstatus.db")) as db, db:
        db.execute("UPDATE payloads SET data = zeroblob(100 << 20) WHERE seq = 1")
    command = [*SERVER, "backup", "--store", store, str(copy)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        until(lambda: any(copy.parent.iterdir()))
        process.kill()
    assert not copy.exists() or check(f"sqlite:///{copy}").status == 0
