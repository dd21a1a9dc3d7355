"""What many watchers cost the database: no more than one."""

import asyncio
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

from replicas.proxy import Proxy

from harness import ServerProcess
from idstatus import AsyncClient, TaskFilter

PATIENCE = 60.0
CHANGES = 50


class Watchers:
    """Watches by queue, by label and on everything, and how far the slowest has come."""

    def __init__(self, client: AsyncClient, count: int) -> None:
        filters = [TaskFilter(), TaskFilter(queues=["q"]), TaskFilter(labels={"k": "v"})]
        self._seen = [0] * count
        self._jobs = [
            asyncio.create_task(self._follow(client, number, filters[number % 3]))
            for number in range(count)
        ]

    async def _follow(self, client: AsyncClient, number: int, wanted: TaskFilter) -> None:
        async with aclosing(client.watch(task_filter=wanted)) as watch:
            async for change in watch:
                self._seen[number] = change.id_status.revision

    async def come_to(self, revision: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while min(self._seen) < revision:
                await asyncio.sleep(0.005)

    async def close(self) -> None:
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)


async def cost(client: AsyncClient, proxy: Proxy, watchers: int) -> int:
    """Return how often the database was asked for some changes and their delivery."""
    async with AsyncExitStack() as stack:
        watching = Watchers(client, watchers)
        stack.push_async_callback(watching.close)
        first = await client.create(queue="q", labels={"k": "v"})
        await watching.come_to(first.revision)
        before = proxy.requests
        for _ in range(CHANGES):
            task = await client.create(queue="q", labels={"k": "v"})
            await watching.come_to(task.revision)
        return proxy.requests - before


async def test_three_hundred_watchers_ask_the_database_no_more_than_three(
    proxy: Proxy, tmp_path: Path
) -> None:
    server = ServerProcess(tmp_path, store=proxy.url)
    await asyncio.to_thread(server.start)
    async with AsyncClient(server.address) as client:
        few, many = [await cost(client, proxy, watchers) for watchers in (3, 300)]
    await asyncio.to_thread(server.kill)
    assert few > CHANGES
    # If each watcher asked but once for each change, it would be 20 times this. What is polled
    # each second makes a slower run dearer, whoever watches.
    assert many - few < 300 * CHANGES / 20, (few, many)
