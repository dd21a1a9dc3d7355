"""Fixtures of the tests over the wire."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from rpc.wire import Api

from harness import ServerProcess


@pytest.fixture
async def api(shared_server: ServerProcess) -> AsyncIterator[Api]:
    """The services of the shared server."""
    async with Api.at(shared_server.address) as api:
        yield api


@pytest.fixture
async def own(server: ServerProcess) -> AsyncIterator[Api]:
    """The services of the test's own server."""
    async with Api.at(server.address) as api:
        yield api


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder for sockets."""
    folder = Path(tempfile.mkdtemp())  # a socket's path has at most 107 bytes
    yield folder
    shutil.rmtree(folder)
