"""Several processes serve on one port, and outlive each other."""

import asyncio
import signal
from contextlib import AsyncExitStack
from pathlib import Path

from metrics.seen import fetched
from postgres_server import PostgresServer
from waiting import until
from watch.sites import Site
from workers.crew import Crew

from harness import ServerProcess, free_port
from idstatus import AsyncClient


async def test_every_worker_serves_on_the_one_port(crew: Crew, queue: str) -> None:
    assert "works in 2 processes" in crew.server.said
    workers = crew.workers
    assert len(workers) == 2
    async with AsyncExitStack() as stack:
        while not all(map(crew.serves, workers)):
            site = await stack.enter_async_context(Site(crew.server.address))
            assert (await site.create(queue=queue)).queue == queue


async def test_what_one_worker_has_answered_the_others_know(crew: Crew, queue: str) -> None:
    async with AsyncExitStack() as stack:
        sites = [await stack.enter_async_context(Site(crew.server.address)) for _ in range(20)]
        for site in sites:
            task = await site.create(queue=queue)
            found = await asyncio.gather(*(other.status(task.id) for other in sites))
            assert {status.revision for status in found} == {task.revision}
        # To look once may miss one: the system's list of connections is no single state.
        await asyncio.to_thread(until, lambda: all(map(crew.serves, crew.workers)))


async def test_a_killed_worker_is_replaced_and_clients_go_on(crew: Crew, queue: str) -> None:
    created = []

    async def produce(client: AsyncClient) -> None:
        while len(killed) < 4:
            created.append(await client.create(queue=queue))

    killed: list[int] = []
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                AsyncClient(crew.server.address, options=[("grpc.use_local_subchannel_pool", 1)])
            )
            for _ in range(6)
        ]
        producing = [asyncio.create_task(produce(client)) for client in clients]
        for number in range(4):
            victim = crew.workers[number % 2]
            seen = len(created)
            victim.kill()
            await crew.whole_again(without=victim)
            await asyncio.to_thread(until, lambda seen=seen: len(created) > seen + 20)  # type: ignore[misc]
            killed.append(victim.pid)
        await asyncio.gather(*producing)  # not one of their calls has failed
    assert crew.log.count("a worker was ended by signal 9") == 4


async def test_a_worker_that_dies_again_and_again_is_backed_off(crew: Crew) -> None:
    stays, victim = crew.workers
    for pause in ("0", "0.5", "1"):
        victim.kill()
        whole = await crew.whole_again(without=victim)
        assert f"ended by signal 9, the next one starts in {pause} s" in crew.log
        (victim,) = (worker for worker in whole if worker != stays)


async def test_a_worker_that_cannot_start_is_tried_again(
    crew: Crew, postgres: PostgresServer, queue: str
) -> None:
    victim = crew.workers[0]
    postgres.halt()
    try:
        victim.kill()
        await asyncio.to_thread(
            until, lambda: "a worker cannot start: cannot connect to the database" in crew.log
        )
    finally:
        postgres.resume()
    await crew.whole_again(without=victim)
    async with Site(crew.server.address) as site:
        assert (await site.create(queue=queue)).queue == queue


async def test_a_worker_that_is_told_to_stop_drains_and_is_replaced(crew: Crew) -> None:
    victim = crew.workers[0]
    victim.send_signal(signal.SIGTERM)
    await crew.whole_again(without=victim)
    assert crew.log.count("draining") == 1
    assert "a worker ended with status 0" in crew.log


def test_each_worker_has_a_port_of_its_own_for_its_metrics(tmp_path: Path, store: str) -> None:
    port = free_port()
    flags = ("--workers", "2", "--metrics-listen", f"127.0.0.1:{port}")
    server = ServerProcess(tmp_path, *flags, store=store).start()
    try:
        shown = [fetched(f"127.0.0.1:{port + worker}") for worker in range(2)]
        assert [metrics.value("idstatus_ready") for metrics in shown] == [1, 1]
        listens = {
            connection.laddr.port: worker.pid
            for worker in Crew(server).workers
            for connection in worker.net_connections("tcp")
            if connection.status == "LISTEN"
        }
        assert listens[port] != listens[port + 1]
    finally:
        server.kill()
