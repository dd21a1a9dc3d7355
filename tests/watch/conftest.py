from collections.abc import AsyncIterator

import pytest
from watch.sites import Site

from harness import ServerProcess


@pytest.fixture
async def site(server: ServerProcess) -> AsyncIterator[Site]:
    """A connection to a server of the test's own, whose store begins empty."""
    async with Site(server.address) as site:
        yield site


@pytest.fixture
async def shared(shared_server: ServerProcess) -> AsyncIterator[Site]:
    """A connection to the server that is shared with other tests."""
    async with Site(shared_server.address) as site:
        yield site
