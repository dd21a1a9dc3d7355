"""What clients do with servers, through the public face of the package `idstatus`.

Started with a server's address; which version of the package plays it, PYTHONPATH decides. Ends
with status 0, and the package's place on standard output, if all came as it must.
"""

import asyncio
import sys
from pathlib import Path

import idstatus
from idstatus import (
    AsyncClient,
    Client,
    Execution,
    Lease,
    ListOrder,
    Progress,
    Report,
    Runner,
    Status,
    Success,
    TaskContext,
    TaskFilter,
    TaskFinishedError,
)

QUEUE = "by-hand"
PATIENCE = 30.0


def play(client: Client) -> None:
    """Create, watch, claim, extend, finish, cancel, read, list, retry, pause, delete."""
    done = client.create(queue=QUEUE, payload=b"hello", labels={"of": "scenario"}, priority=1)
    off = client.create(queue=QUEUE, delay=3600, unique_key="off")
    with client.watch([done.id, off.id]) as watch:
        seen = [next(watch), next(watch)]
        (claim,) = client.claim([QUEUE], wait=PATIENCE, runner="scenario")
        assert (claim.task.id, claim.task.payload) == (done.id, b"hello")
        half_way = Progress(fraction=0.5, message="half way")
        client.extend([Lease(id=done.id, lease_token=claim.lease_token, progress=half_way)])
        report = Report(id=done.id, lease_token=claim.lease_token, outcome=Success(result=b"HELLO"))
        client.finish([report])
        client.cancel(off.id, message="not today")
        seen += watch  # it ends by itself: both are terminal
    assert [(change.id_status.id, change.id_status.status) for change in seen] == [
        (done.id, Status.QUEUED),
        (off.id, Status.DELAYED),
        (done.id, Status.RUNNING),
        (done.id, Status.RUNNING),  # its progress
        (done.id, Status.SUCCESS),
        (off.id, Status.CANCELLED),
    ]
    read_and_tidy(client, done.id, off.id)


def read_and_tidy(client: Client, done: str, off: str) -> None:
    """Read what became of the two tasks, and clear them away."""
    whole = client.get(done)
    assert (whole.result, whole.labels, len(whole.transitions)) == (b"HELLO", {"of": "scenario"}, 3)
    assert whole.execution is Execution.ENDED
    try:
        client.cancel(done)
    except TaskFinishedError as error:
        assert error.metadata["id"] == done  # noqa: PT017  # pytest does not play here
    else:
        raise AssertionError("a finished task was cancelled")
    again = client.retry(off)
    listed = client.list(TaskFilter(queues=[QUEUE]), order=ListOrder.OLDEST_FIRST)
    assert [task.id for task in listed] == [done, off, again.id]
    assert client.update_queue(QUEUE, paused=True).counts.queued == 1
    assert client.claim([QUEUE]) == []
    assert client.cancel_batch(task_filter=TaskFilter(root_id=off)).count == 1
    client.delete(done)
    assert client.queue(QUEUE).counts.cancelled == 2


async def run_one(address: str) -> None:
    """Have a runner do a task, over the stream."""

    async def shout(context: TaskContext) -> bytes:
        return context.task.payload.upper()

    async with AsyncClient(address) as client:
        running = asyncio.create_task(Runner(address, queues=["shouts"], handler=shout).run())
        task = await client.create(queue="shouts", payload=b"hello")
        assert (await client.wait(task.id, timeout=PATIENCE)).result == b"HELLO"
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


if __name__ == "__main__":
    with Client(sys.argv[1]) as producer:
        play(producer)
    asyncio.run(run_one(sys.argv[1]))
    sys.stdout.write(f"{Path(idstatus.__file__).parent}")
