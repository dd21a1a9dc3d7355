"""The word check, as an operator uses it: on a store at rest, and beside a server that serves."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from check.scene import execute, play, set_version
from check.tools import check
from postgres_server import PostgresServer
from waiting import until
from watch.sites import Site
from watch.workload import Workload

from harness import ServerProcess, sqlite_in


@pytest.fixture
def server(url: str, tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path, store=url).start()
    yield server
    server.kill()


async def test_a_long_history_is_sound_at_any_moment(server: ServerProcess) -> None:
    async with Site(server.address) as site:
        work = Workload(site, ("one", "two"), seed=11)
        await work.run(10)
        working = asyncio.create_task(work.run(10_000))
        for _ in range(3):
            await work.acknowledged(200)
            said = await asyncio.to_thread(check, server.store)
            assert (said.status, said.err) == (0, []), said.out
            assert said.out[0].startswith("sound: ")
        work.enough.set()
        await working
    server.kill()  # whatever is in a write-ahead log stays there
    said = await asyncio.to_thread(check, server.store)
    assert said.status == 0, said.out
    (line,) = said.out
    assert int(line.rpartition(" ")[2]) >= work.history.newest


async def test_a_compacted_log_is_sound(server: ServerProcess) -> None:
    async with Site(server.address) as site:
        await Workload(site, ("one",), seed=12).run(30)
    server.stop()
    server.start("--log-retention", "1ms")

    def compacted() -> bool:
        said = check(server.store)
        assert said.status == 0, said.out
        changes, newest = re.findall(r"(\d+) changes up to revision (\d+)", said.out[0])[0]
        return int(changes) < int(newest)

    await asyncio.to_thread(until, compacted)


async def test_breaches_are_told_line_by_line(url: str) -> None:
    await play(url)
    await execute(url, "UPDATE counts SET tasks = 7 WHERE queue = 'held'")
    said = check(url)
    assert (said.status, said.err) == (1, [])
    assert said.out == [
        "counts_are_those_of_the_tasks: queue held: 7 tasks are counted in status 2, 1 are there",
        "damaged: 1 breaches",
    ]


async def test_another_version_of_the_schema_is_refused(url: str) -> None:
    await play(url)
    for version, said in ((99, "newer"), (0, "older")):
        await set_version(url, version)
        assert said in refused(url)


def refused(store: str) -> str:
    """Return the line that refuses a store; before it, a password that is shown is warned of."""
    said = check(store)
    assert (said.status, said.out) == (1, [])
    *_, line = said.err
    assert line.startswith("idstatus-server: ")
    return line


def test_what_is_no_store_is_refused(tmp_path: Path, postgres: PostgresServer) -> None:
    missing = tmp_path / "nothing.db"
    assert str(missing) in refused(f"sqlite:///{missing}")
    assert not missing.exists()
    assert "there is no store" in refused(postgres.new_database())
    assert "in memory" in refused("sqlite:///:memory:")
    (tmp_path / "idstatus.db").write_text("a letter to my aunt")
    assert "it is damaged, or never was a store" in refused(sqlite_in(tmp_path))
    assert "127.0.0.1:1" in refused("postgresql://me:secret@127.0.0.1:1/db")
