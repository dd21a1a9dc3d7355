"""Fixtures: a receiver of traces, and a server that sends them to it."""

from collections.abc import AsyncIterator, Iterator

import pytest
from rpc.wire import Api
from telemetry.receiver import Receiver

from harness import ServerProcess

# How often a server sends its spans, in milliseconds: the SDK's own variable.
_OFTEN = ("OTEL_BSP_SCHEDULE_DELAY", "50")


@pytest.fixture(scope="session", autouse=True)
def often() -> Iterator[None]:
    """Let servers send their spans at once, nearly."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(*_OFTEN)
        yield


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def traced(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that a worker's tests share."""
    flags = ("--otlp-endpoint", receiver.url)
    server = ServerProcess(tmp_path_factory.mktemp("traced"), *flags).start()
    yield server
    assert server.stop() == 0, server.log.read_text()


@pytest.fixture
async def api(traced: ServerProcess) -> AsyncIterator[Api]:
    async with Api.at(traced.address) as api:
        yield api
