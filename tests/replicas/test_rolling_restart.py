"""Servers are replaced one by one under load, and nobody who uses the client package notices."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from replicas.callers import Callers
from watch.sites import Site
from watch.truth import origin, read_truth

from harness import ServerProcess
from idstatus import AsyncClient

# For a busy machine, in seconds: how quick calls are is not what is tested.
PATIENCE = 60.0


@pytest.fixture
async def everywhere(replicas: list[ServerProcess]) -> AsyncIterator[list[AsyncClient]]:
    """A client for each server, which knows all of them but begins with that one."""
    addresses = [server.address for server in replicas]
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                AsyncClient(
                    "ipv4:" + ",".join(addresses[first:] + addresses[:first]), timeout=PATIENCE
                )
            )
            for first in range(len(addresses))
        ]


async def test_a_rolling_restart_loses_no_call_and_no_change(
    replicas: list[ServerProcess], sites: list[Site], everywhere: list[AsyncClient]
) -> None:
    start = await origin(sites[0])
    callers = Callers(everywhere, start)
    await callers.answered(100)
    for server in replicas:
        assert await asyncio.to_thread(server.stop) == 0
        await asyncio.to_thread(server.start)
        await callers.answered(100)
    await callers.stop()
    async with asyncio.timeout(PATIENCE):
        await callers.check(await read_truth(sites[0], start))
