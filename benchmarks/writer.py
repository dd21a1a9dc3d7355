"""A process that commits to a store as fast as it can: python writer.py URL BATCH CALLERS SECONDS.

It says "ready", waits for a line, works, and prints one line of JSON.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import work

from idstatus_server.store.postgres import PostgresStore


class TimedStore(PostgresStore):
    """Measures how long each commit waited for the head, and how long it took in all."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.waited: list[float] = []
        self.took: list[float] = []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """Begin a commit and look at the clock."""
        start = time.perf_counter()
        async with super().transaction() as transaction:
            self.waited.append(time.perf_counter() - start)
            yield transaction
        self.took.append(time.perf_counter() - start)


async def main() -> None:
    """Commit creations until the time is over."""
    url, batch, callers, seconds = sys.argv[1], *map(float, sys.argv[2:])
    async with TimedStore(url) as store, work.ledger_on(store) as ledger:
        queue = f"q{store.store_id[:4]}-{time.time_ns() % 1000}"
        for _ in range(20):  # the statements get prepared
            await ledger.submit(work.new_tasks(int(batch), queue, request=f"{time.time_ns():x}"))
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        store.waited.clear()
        store.took.clear()
        took: list[float] = []
        start, cpu = time.perf_counter(), time.process_time()

        async def call(name: int) -> None:
            while (now := time.perf_counter()) < start + seconds:
                request = f"{time.time_ns():x}.{name}"
                await ledger.submit(work.new_tasks(int(batch), queue, request=request))
                took.append(time.perf_counter() - now)

        await asyncio.gather(*map(call, range(int(callers))))
        print(
            json.dumps(
                {
                    "seconds": time.perf_counter() - start,
                    "cpu": time.process_time() - cpu,
                    "commits": len(store.took),
                    "tasks": len(took) * int(batch),
                    "waited": sum(store.waited),
                    "took": sum(store.took),
                    "latencies": took,
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    asyncio.run(main())
