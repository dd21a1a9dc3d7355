"""Several servers on one PostgreSQL are, to a client, one."""

import asyncio
import random
import signal
from contextlib import aclosing, suppress

import pytest
from running import runner_of

from harness import ServerProcess
from idstatus import (
    AsyncClient,
    Change,
    Reason,
    RpcError,
    Status,
    TaskContext,
    TaskFilter,
)

PATIENCE = 60.0
# A claim that waits looks again this often even if nobody wakes it, in seconds.
LOOK_AGAIN = 10.0


async def test_what_one_has_answered_the_others_know(
    clients: list[AsyncClient], queue: str
) -> None:
    for number in range(30):
        writer, reader, other = random.sample(clients, 3)
        task = await writer.create(b"x", queue=queue, task_id=f"{queue}-{number}")
        assert (await reader.status(task.id)).revision == task.revision
        async with aclosing(reader.watch([task.id])) as watch:
            assert (await anext(watch)).id_status.revision == task.revision
        assert (await other.cancel(task.id)).status is Status.CANCELLED
        assert (await reader.wait(task.id)).status is Status.CANCELLED


async def test_a_cancellation_at_one_reaches_the_runner_at_another(
    replicas: list[ServerProcess], clients: list[AsyncClient], queue: str
) -> None:
    stopped = asyncio.Event()

    async def handler(context: TaskContext) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    runner = runner_of(replicas[0].address, handler, queue)
    running = asyncio.create_task(runner.run())
    task = await clients[1].create(queue=queue, timeout=300)
    async with aclosing(clients[2].watch([task.id])) as watch:
        async for change in watch:
            if change.id_status.status is Status.RUNNING:
                break
    await clients[1].cancel(task.id)
    async with asyncio.timeout(PATIENCE):
        await stopped.wait()
    runner.stop()
    await running


async def test_a_queue_that_one_opens_is_open_to_who_waits_at_another(
    clients: list[AsyncClient], queue: str
) -> None:
    here, there = clients[:2]
    await here.create(queue=queue)
    await here.update_queue(queue, paused=True)
    waiting = asyncio.create_task(there.claim([queue], wait=LOOK_AGAIN / 2, rpc_timeout=PATIENCE))
    while not (await there.queue(queue)).paused:
        await asyncio.sleep(0.01)
    await here.update_queue(queue, paused=False)
    (claim,) = await waiting
    assert claim.task.queue == queue


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
async def test_the_timers_are_taken_over_from_one_that_dies_or_stands_still(
    replicas: list[ServerProcess], clients: list[AsyncClient], queue: str, blow: int
) -> None:
    """Of three, two get the blow: so whoever was on duty, one that never was or is takes over."""
    for server in replicas[:2]:
        server.signal(blow)
    survivor = clients[2]
    due = await survivor.create(queue=queue, delay=1)
    await survivor.create(queue=f"{queue}-leased", timeout=1)
    (claim,) = await survivor.claim([f"{queue}-leased"], lease_duration=1)
    (claimed,) = await survivor.claim([queue], wait=PATIENCE, rpc_timeout=PATIENCE)
    assert claimed.task.id == due.id
    ended = await survivor.wait(claim.task.id, timeout=PATIENCE)
    assert (ended.status, ended.reason) == (Status.ERROR, Reason.TIMEOUT)
    for server in replicas[:2]:
        if blow == signal.SIGSTOP:
            server.signal(signal.SIGCONT)


class Hopper:
    """Watches a queue, at another server after every few batches, from the last token."""

    def __init__(self, clients: list[AsyncClient], queue: str) -> None:
        self.changes: list[Change] = []
        self._clients = clients
        self._filter = TaskFilter(queues=[queue])

    async def run(self) -> None:
        token = ""
        while True:
            client = random.choice(self._clients)
            watch = client.watch_batches(task_filter=self._filter, resume_token=token)
            with suppress(RpcError):
                async with aclosing(watch):
                    async for batch in watch:
                        self.changes += batch.changes
                        token = batch.resume_token
                        if random.random() < 0.2:
                            break

    async def until_ended(self, ids: set[str]) -> None:
        """Return once it has seen all of these end."""
        ended: set[str] = set()
        while not ids <= ended:
            ended = {c.id_status.id for c in self.changes if c.id_status.status in ENDED}
            await asyncio.sleep(0.05)


ENDED = {Status.SUCCESS, Status.ERROR, Status.CANCELLED}


async def produce(clients: list[AsyncClient], queue: str, name: int, acked: set[str]) -> None:
    for number in range(40):
        while True:  # the request id makes a repeat at another server safe
            client = random.choice(clients)
            with suppress(RpcError):
                task = await client.create(
                    b"x", queue=queue, request_id=f"{queue}-{name}-{number}", rpc_timeout=5
                )
                acked.add(task.id)
                break


async def test_nothing_is_lost_torn_or_run_twice_while_servers_are_killed(
    replicas: list[ServerProcess], clients: list[AsyncClient], queue: str
) -> None:
    started: list[str] = []

    async def handler(context: TaskContext) -> None:
        started.append(context.task.id)

    runners = [
        runner_of(server.address, handler, queue, capacity=20, lease_duration=2)
        for server in replicas
    ]
    hoppers = [Hopper(clients, queue) for _ in range(4)]
    acked: set[str] = set()
    producing = [asyncio.create_task(produce(clients, queue, n, acked)) for n in range(10)]
    others = [asyncio.create_task(runner.run()) for runner in runners]
    others += [asyncio.create_task(hopper.run()) for hopper in hoppers]
    for _ in range(4):
        await asyncio.sleep(1)  # let the storm rage between two blows
        victim = random.choice(replicas)
        victim.kill()
        await asyncio.to_thread(victim.start)
    await asyncio.gather(*producing)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(hopper.until_ended(acked) for hopper in hoppers))
    lists = [
        {task.id async for task in client.list(TaskFilter(queues=[queue]))} for client in clients
    ]
    assert lists == [acked] * 3
    assert len(started) == len(set(started))
    for hopper in hoppers:
        revisions = [change.id_status.revision for change in hopper.changes]
        assert revisions == sorted(set(revisions))
        assert len(revisions) == len(hoppers[0].changes)
    for job in others:
        job.cancel()
    await asyncio.gather(*others, return_exceptions=True)
