"""Three servers on one PostgreSQL."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from postgres_pair import PostgresPair
from postgres_server import PostgresServer
from replicas.proxy import Proxy
from watch.sites import Site

from harness import ServerProcess
from idstatus import AsyncClient


@pytest.fixture
def store(database: str) -> str:
    """The URL of a database of the test's own."""
    return database


@pytest.fixture
def pair(postgres_version: int) -> Iterator[PostgresPair]:
    """A primary and its standby, to be started."""
    pair = PostgresPair(postgres_version)
    yield pair
    pair.stop()


@pytest.fixture
def replicas(tmp_path: Path, store: str) -> Iterator[list[ServerProcess]]:
    """Three servers of the test's own that share a database."""
    servers = []
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        servers.append(ServerProcess(folder, store=store).start())
    yield servers
    for server in servers:
        server.kill()


@pytest.fixture
async def proxy(postgres: PostgresServer) -> AsyncIterator[Proxy]:
    """A way to an empty database, to be broken."""
    with tempfile.TemporaryDirectory() as folder:  # a socket's path must be short
        proxy = Proxy(postgres.new_database(), Path(folder))
        await proxy.start()
        yield proxy
        await proxy.stop()


@pytest.fixture
async def clients(replicas: list[ServerProcess]) -> AsyncIterator[list[AsyncClient]]:
    """A client of each server."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(AsyncClient(server.address)) for server in replicas]


@pytest.fixture
async def sites(replicas: list[ServerProcess]) -> AsyncIterator[list[Site]]:
    """A connection to each server."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Site(server.address)) for server in replicas]
