"""SIGTERM: the server drains and ends well."""

import asyncio
import signal
import time
from collections.abc import Callable

import pytest
from grpc_health.v1 import health_pb2
from rpc.locked import locked
from rpc.wire import PATIENCE, Api, outcome, refused

from harness import ServerProcess
from idstatus.v1 import runner_service_pb2 as r
from idstatus.v1 import task_pb2 as m
from idstatus.v1 import task_service_pb2 as t

Start = Callable[..., ServerProcess]
# The grace is 10 s: who ends sooner has not waited for it to pass.
SOON = 5.0


async def drained(server: ServerProcess) -> tuple[int, bool]:
    """Return the exit status, and whether the server ended soon after it was told to."""
    told = time.monotonic()
    status = await asyncio.to_thread(server.stop)
    return status, time.monotonic() - told < SOON


async def test_an_idle_server_ends_at_once(server: ServerProcess) -> None:
    await ready(server)
    assert await drained(server) == (0, True)


async def test_an_interrupt_from_the_keyboard_drains_too(server: ServerProcess) -> None:
    await ready(server)
    server.signal(signal.SIGINT)
    assert await asyncio.to_thread(server.wait) == 0


async def ready(server: ServerProcess) -> None:
    async with Api.at(server.address) as api:
        await api.page()


async def test_a_server_that_says_that_it_listens_can_be_told_to_stop(
    start_server: Start,
) -> None:
    statuses = [start_server().stop() for _ in range(5)]
    assert statuses == [0] * 5


async def test_clients_that_are_connected_do_not_hold_the_server_up(
    server: ServerProcess, own: Api, queue: str
) -> None:
    await own.create(queue)
    assert await drained(server) == (0, True)


async def test_a_health_watch_does_not_hold_the_server_up(server: ServerProcess, own: Api) -> None:
    watch = own.health.Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    assert await drained(server) == (0, True)


async def test_an_idle_runners_stream_does_not_hold_the_server_up(
    server: ServerProcess, own: Api
) -> None:
    run = own.runners.Run()
    await run.write(r.RunRequest(subscription=r.Subscription(capacity=0)))
    await run.read()
    ended = asyncio.create_task(refused(run.read()))
    assert await drained(server) == (0, True)
    assert (await ended).kind == ("UNAVAILABLE", "DRAINING")


async def test_a_full_runners_stream_does_not_hold_the_server_up(
    server: ServerProcess, own: Api, queue: str
) -> None:
    await own.create(queue)
    run = own.runners.Run()
    await run.write(r.RunRequest(subscription=r.Subscription(queues=[queue], capacity=1)))
    await run.read()
    assert (await run.read()).HasField("claims")
    ended = asyncio.create_task(refused(run.read()))
    assert await drained(server) == (0, True)
    assert (await ended).kind == ("UNAVAILABLE", "DRAINING")


@pytest.mark.sqlite
async def test_a_write_under_way_is_finished(server: ServerProcess, own: Api, queue: str) -> None:
    await own.create(queue)
    with locked(server):
        writing = [asyncio.create_task(own.create(queue, task_id=f"{queue}{n}")) for n in range(5)]
        await own.settle()
        server.signal(signal.SIGTERM)
        assert not any(call.done() for call in writing)
    created = await asyncio.gather(*writing)
    assert await asyncio.to_thread(server.wait) == 0
    server.kill()
    server.start()
    async with Api.at(server.address) as api:
        for task in created:
            assert await api.get(task.id, m.TASK_VIEW_BASIC) == task


async def test_a_watcher_that_takes_nothing_does_not_hold_the_server_up(
    server: ServerProcess, own: Api, queue: str
) -> None:
    for _ in range(8):
        await own.create_many(5, queue, payload=b"p" * 256 * 1024)
    async with Api.at(server.address) as other:
        watch = other.tasks.WatchTasks(t.WatchTasksRequest(view=m.TASK_VIEW_FULL))
        await watch.read()  # and no more
        assert await drained(server) == (0, True)


async def test_no_task_is_handed_out_any_more(start_server: Start, queue: str) -> None:
    server = start_server("--grace", "3s")
    async with Api.at(server.address) as api, Api.at(server.address) as other:
        for _ in range(8):
            await api.create_many(5, queue, payload=b"p" * 256 * 1024)
        watch = other.tasks.WatchTasks(t.WatchTasksRequest(view=m.TASK_VIEW_FULL))
        await watch.read()  # and no more: it keeps the server from ending
        task = await api.create(queue + "-other")
        waiting = asyncio.create_task(refused(api.wait(task.id)))
        await api.settle()
        server.signal(signal.SIGTERM)
        assert (await waiting).reason == "DRAINING"
        assert (await refused(api.claim(queue))).kind == ("UNAVAILABLE", "DRAINING")
        watch.cancel()
    async with asyncio.timeout(PATIENCE):
        assert await asyncio.to_thread(server.wait) == 0


async def test_whoever_calls_as_the_server_drains_is_told_to_call_another(
    server: ServerProcess, queue: str
) -> None:
    async def write(api: Api) -> str:
        while isinstance(answer := await outcome(api.create(queue)), m.Task):
            pass
        return str(answer.code)

    async with Api.at(server.address) as api:
        writers = [asyncio.create_task(write(api)) for _ in range(20)]
        for _ in range(20):
            await api.settle()
        server.signal(signal.SIGTERM)
        assert set(await asyncio.gather(*writers)) == {"UNAVAILABLE"}
    assert await asyncio.to_thread(server.wait) == 0


async def test_nothing_that_was_answered_is_lost_on_the_way_down(
    server: ServerProcess, queue: str
) -> None:
    acknowledged: list[str] = []

    async def write(api: Api) -> None:
        while isinstance(answer := await outcome(api.create(queue)), m.Task):
            acknowledged.append(answer.id)

    async with Api.at(server.address) as api:
        writers = [asyncio.create_task(write(api)) for _ in range(10)]
        while len(acknowledged) < 200:
            await api.settle()
        server.signal(signal.SIGTERM)
        await asyncio.gather(*writers)
    assert await asyncio.to_thread(server.wait) == 0
    server.kill()
    server.start()
    async with Api.at(server.address) as api:
        kept = {task.id for task in await api.every(page_size=1000)}
    assert set(acknowledged) - kept == set()
