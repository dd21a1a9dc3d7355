"""What is measured with: the ledger over a store, as the server has it, without gRPC."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from idstatus_server.engine import Ledger
from idstatus_server.engine.commands import Claim, Create, Finish
from idstatus_server.engine.commands.create import NewTask
from idstatus_server.engine.commands.finish import Report
from idstatus_server.engine.commands.request import RequestKey
from idstatus_server.lifecycle import Status
from idstatus_server.limits import SECOND
from idstatus_server.model import Outcome, Task
from idstatus_server.store.base import Store

PAYLOAD = b"\x5a" * 1024


@asynccontextmanager
async def ledger_on(store: Store) -> AsyncIterator[Ledger]:
    """Return a ledger that tells nobody of what it commits."""
    ledger = Ledger(store, lambda _before, _changes: None, 50_000)
    try:
        yield ledger
    finally:
        await ledger.close(5.0)


def new_tasks(count: int, queue: str, payload: bytes = PAYLOAD, request: str = "") -> Create:
    """Return the command that creates tasks, with a request id as the client package sends it."""
    item = NewTask(queue=queue, timeout=60 * SECOND, payload=payload, labels={"kind": "bench"})
    return Create([item] * count, RequestKey(request, b"f" * 16 if request else b""))


def claim(count: int, queue: str) -> Claim:
    """Return the command that claims tasks."""
    return Claim(
        queues=(queue,), max_tasks=count, lease=30 * SECOND, runner="bench-1", max_bytes=4 << 20
    )


def finish(tasks: Sequence[Task]) -> Finish:
    """Return the command that reports their success."""
    done = Outcome(status=Status.SUCCESS)
    return Finish([Report(task.id, task.lease_token, done) for task in tasks])


async def live(
    ledger: Ledger, tasks: int, batch: int, queue: str, payload: bytes = PAYLOAD, *, first: int = 0
) -> None:
    """Let tasks live a typical life: created, claimed, finished, so many in a commit.

    They are numbered from ``first`` on: a number that was used names the same request again.
    """
    for number in range(first, first + tasks, batch):
        await ledger.submit(new_tasks(batch, queue, payload, f"{queue}.{number}"))
        claimed = await ledger.submit(claim(batch, queue))
        await ledger.submit(finish(claimed.tasks))


async def live_alone(ledger: Ledger, tasks: int, callers: int, queue: str) -> None:
    """Let tasks live it each by itself, as so many callers at once would have it."""

    async def call(name: int) -> None:
        for number in range(tasks // callers):
            await ledger.submit(new_tasks(1, queue, request=f"{queue}.{name}.{number}"))
            claimed = await ledger.submit(claim(1, queue))
            await ledger.submit(finish(claimed.tasks))

    await asyncio.gather(*map(call, range(callers)))
