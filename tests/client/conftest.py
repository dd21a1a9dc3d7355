from collections.abc import AsyncIterator, Iterator

import pytest

from harness import ServerProcess
from idstatus import AsyncClient, Client


@pytest.fixture
async def client(shared_server: ServerProcess) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(shared_server.address) as client:
        yield client


@pytest.fixture
def blocking_client(shared_server: ServerProcess) -> Iterator[Client]:
    with Client(shared_server.address) as client:
        yield client


@pytest.fixture
async def own_client(server: ServerProcess) -> AsyncIterator[AsyncClient]:
    """A client of the server of the test's own, which may be killed."""
    async with AsyncClient(server.address) as client:
        yield client
