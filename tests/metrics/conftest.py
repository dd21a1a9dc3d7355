import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from metrics.seen import Metrics, WatchedServer
from metrics.traffic import traffic


@pytest.fixture(scope="session")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedServer]:
    """A server that has done a little of everything, and that a worker's tests share."""
    server = WatchedServer.started(tmp_path_factory.mktemp("busy"))

    async def play() -> None:
        async with traffic(server.address):
            server.shows(lambda metrics: metrics.has("idstatus_tasks"))

    asyncio.run(play())
    yield server
    assert server.stop() == 0, server.log.read_text()


@pytest.fixture(scope="session")
def exported(busy: WatchedServer) -> Metrics:
    """What that server shows."""
    return busy.metrics()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[WatchedServer]:
    """A server of the test's own."""
    server = WatchedServer.started(tmp_path)
    yield server
    server.kill()
