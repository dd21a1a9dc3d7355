"""Fixtures: a server that asks who calls."""

from collections.abc import AsyncIterator, Iterator

import grpc
import pytest
from access.people import Issuer, everyone, publish, trust

from harness import ServerProcess


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="session")
def guarded(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that a worker's tests share; it knows one of each role, and the issuer."""
    folder = tmp_path_factory.mktemp("guarded")
    publish(folder / "keys.json", issuer)
    (folder / "auth.toml").write_text(everyone() + trust(folder / "keys.json"))
    server = ServerProcess(folder, "--auth", str(folder / "auth.toml")).start()
    yield server
    server.stop()


@pytest.fixture
async def channel(guarded: ServerProcess) -> AsyncIterator[grpc.aio.Channel]:
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(guarded.address, options=options) as channel:
        yield channel
