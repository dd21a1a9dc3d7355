"""Fixtures: a server that asks who calls."""

import uuid
from collections.abc import AsyncIterator, Callable, Iterator

import grpc
import pytest
from access.people import Issuer, api_of, everyone, publish, static, trust
from rpc.wire import Api

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


@pytest.fixture
def acting(channel: grpc.aio.Channel) -> Callable[[str], Api]:
    """The services as someone calls them who has a static token."""
    return lambda name: api_of(channel, static(name))


@pytest.fixture
def root(acting: Callable[[str], Api]) -> Api:
    """The services as one calls them who may do all."""
    return acting("root")


@pytest.fixture
def ours() -> str:
    """A queue in which each role has its holder."""
    return f"a-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def theirs() -> str:
    """A queue of others."""
    return f"b-{uuid.uuid4().hex[:12]}"
