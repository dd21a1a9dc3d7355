from collections.abc import AsyncIterator

import pytest
from watch.sites import Site

from harness import ServerProcess


@pytest.fixture
async def site(server: ServerProcess) -> AsyncIterator[Site]:
    """A connection to a server of the test's own, whose store begins empty."""
    async with Site(server.address) as site:
        yield site
