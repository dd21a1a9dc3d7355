"""A process that watches a queue with our client package: python follower.py ADDRESS QUEUE.

It says "ready" once its watch is in place. At each line of input it says in one line of JSON what
it was told: the newest revision, whether all came once and in order, and how often its stream
was interrupted.
"""

import asyncio
import json
import logging
import sys

from idstatus import AsyncClient, TaskFilter, TaskView


class Interruptions(logging.Handler):
    """Counts the warnings of the client package."""

    count = 0

    def emit(self, _: logging.LogRecord) -> None:
        """Count one."""
        self.count += 1


class Watching:
    """What the watch has told."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.newest = 0
        self.faults = 0

    async def follow(self, client: AsyncClient, queue: str) -> None:
        """Watch for ever."""
        wanted = TaskFilter(queues=[queue])
        async for batch in client.watch_batches(
            task_filter=wanted, skip_snapshot=True, view=TaskView.FULL
        ):
            self.begun.set()
            for change in batch.changes:
                revision = change.id_status.revision
                self.faults += bool(self.newest) and revision != self.newest + 1
                self.newest = revision


async def main() -> None:
    """Watch, and answer."""
    interruptions = Interruptions(logging.WARNING)
    logging.getLogger("idstatus").addHandler(interruptions)
    watching = Watching()
    async with AsyncClient(sys.argv[1]) as client:
        job = asyncio.create_task(watching.follow(client, sys.argv[2]))
        await watching.begun.wait()
        print("ready", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            told = {"newest": watching.newest, "faults": watching.faults}
            print(json.dumps(told | {"interruptions": interruptions.count}), flush=True)
        job.cancel()


if __name__ == "__main__":
    asyncio.run(main())
