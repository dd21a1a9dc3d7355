"""Refusals that are the server's own: full, draining, or without its store."""

import asyncio
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from google.longrunning import operations_pb2 as o
from grpc_health.v1 import health_pb2
from rpc.locked import locked
from rpc.wire import (
    PATIENCE,
    Api,
    Refusal,
    lease,
    names,
    outcome,
    refused,
    report,
    seconds,
    span,
    until,
)

from harness import ServerProcess
from idstatus.v1 import runner_service_pb2 as r
from idstatus.v1 import task_pb2 as m
from idstatus.v1 import task_service_pb2 as t

Start = Callable[..., ServerProcess]


async def test_one_watch_too_many_is_refused(start_server: Start, queue: str) -> None:
    async with Api.at(start_server("--max-watches", "1").address) as api:
        watch = api.tasks.WatchTasks(t.WatchTasksRequest())
        await watch.read()
        for call in (api.tasks.WatchTasks(t.WatchTasksRequest()).read(), api.runners.Run().read()):
            refusal = await refused(call)
            assert refusal.kind == ("RESOURCE_EXHAUSTED", "TOO_MANY_WATCHES")
            assert refusal.metadata == {"limit": "1"}
            assert refusal.retry_after is not None
        await api.create(queue)  # calls are not streams
        watch.cancel()
        await until(lambda: admitted(api))


async def admitted(api: Api) -> bool:
    """Tell whether there is room for a watch."""
    watch = api.tasks.WatchTasks(t.WatchTasksRequest())
    first = await outcome(watch.read())
    watch.cancel()
    return isinstance(first, t.WatchTasksResponse)


@pytest.mark.sqlite
async def test_one_call_too_many_is_refused(start_server: Start, queue: str) -> None:
    server = start_server("--max-in-flight", "1")
    async with Api.at(server.address) as api:
        with locked(server):
            creating, refusal = await fill_up(api, queue)
            assert refusal.kind == ("RESOURCE_EXHAUSTED", "OVERLOADED")
            assert refusal.metadata == {"limit": "1"}
            assert refusal.retry_after is not None
            watch = api.tasks.WatchTasks(t.WatchTasksRequest())  # streams are not calls
            assert (await watch.read()).resume_token
            watch.cancel()
        assert (await creating).queue == queue


async def fill_up(api: Api, queue: str) -> tuple[asyncio.Task[Any], Refusal]:
    """Let one call take the only place there is; return it and the refusal of another."""
    calls = {asyncio.create_task(outcome(api.create(queue))) for _ in range(2)}
    refused, (creating,) = await asyncio.wait(
        calls, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED
    )
    answer = refused.pop().result()
    assert isinstance(answer, Refusal)
    return creating, answer


@pytest.mark.sqlite
async def test_a_full_server_still_answers_at_once(start_server: Start, queue: str) -> None:
    server = start_server("--max-in-flight", "1", "--max-watches", "1")
    async with Api.at(server.address) as api:
        watch = api.tasks.WatchTasks(t.WatchTasksRequest())
        await watch.read()
        with locked(server):
            creating, refusal = await fill_up(api, queue)
            assert refusal.reason == "OVERLOADED"
            health = await api.health.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
            assert health.status == health_pb2.HealthCheckResponse.SERVING
        await creating
        watch.cancel()


async def test_calls_that_wait_take_the_places_of_streams(start_server: Start, queue: str) -> None:
    server = start_server("--max-in-flight", "1", "--max-watches", "2")
    async with Api.at(server.address) as api:
        task = await api.create(queue, delay=seconds(3600))
        claiming = asyncio.create_task(api.claim(queue, wait=60))
        await until(lambda: settled(api))
        waiting = asyncio.create_task(api.wait(task.id, 60))
        await until(lambda: settled(api))
        refusal = await refused(api.claim(queue, wait=60))
        assert refusal.kind == ("RESOURCE_EXHAUSTED", "TOO_MANY_WATCHES")
        created = await api.create(queue)  # calls that do not wait are not kept out
        assert names(await claiming) == [created.id]
        await api.cancel(task.id)
        assert (await waiting).status == m.STATUS_CANCELLED
        assert await api.claim(queue, wait=0.01) == []


async def settled(api: Api) -> bool:
    """Tell whether the calls that were begun before no longer count as calls in flight."""
    return await outcome(api.settle()) is None


async def test_whoever_waits_is_told_that_the_server_drains(
    server: ServerProcess, queue: str
) -> None:
    async with Api.at(server.address) as api:
        task = await api.create(queue, delay=seconds(3600))
        watch = api.tasks.WatchTasks(t.WatchTasksRequest())
        await watch.read()
        run = api.runners.Run()
        await run.write(r.RunRequest(subscription=r.Subscription(queues=[queue], capacity=1)))
        await run.read()
        calls = [
            api.wait(task.id, 60),
            api.operations.WaitOperation(o.WaitOperationRequest(name=f"tasks/{task.id}")),
            api.claim(queue, wait=60),
            watch.read(),
            run.read(),
        ]
        waiting = [asyncio.create_task(refused(call)) for call in calls]
        await api.settle()
        server.signal(signal.SIGTERM)
        for refusal in await asyncio.gather(*waiting):
            assert refusal.kind == ("UNAVAILABLE", "DRAINING")
            assert refusal.metadata == {}
            assert refusal.retry_after is not None
    assert await asyncio.to_thread(server.wait) == 0


@pytest.mark.sqlite
async def test_without_its_store_the_server_says_so_and_recovers(
    server: ServerProcess, own: Api, queue: str
) -> None:
    first = await own.create(queue)
    with locked(server):
        creating = asyncio.create_task(refused(own.create(queue)))
        assert (await own.status(first.id)).status == m.STATUS_QUEUED  # reads go on
        refusal = await creating
    assert refusal.kind == ("UNAVAILABLE", "STORE_UNAVAILABLE")
    assert refusal.retry_after is not None
    second = await own.create(queue)
    assert second.revision == first.revision + 1


@pytest.mark.sqlite
async def test_a_short_lock_is_waited_for(server: ServerProcess, own: Api, queue: str) -> None:
    with locked(server):
        creating = asyncio.create_task(own.create(queue))
        await own.settle()
        assert not creating.done()
    assert (await creating).queue == queue


@pytest.mark.sqlite
async def test_nothing_expires_soon_after_the_store_came_back(
    server: ServerProcess, own: Api, queue: str
) -> None:
    claim = await own.run_one(queue, lease=6)
    with locked(server):
        extension = own.runners.ExtendLeases(r.ExtendLeasesRequest(leases=[lease(claim)]))
        assert (await refused(extension)).reason == "STORE_UNAVAILABLE"
    task = await own.wait(claim.task.id, 2.5)  # past the lease, as it was
    assert task.status == m.STATUS_RUNNING
    (result,) = await own.finish_all(report(claim, success=m.Success()))
    assert isinstance(result, m.IdStatus)


async def test_nothing_expires_soon_after_the_server_stood_still(
    server: ServerProcess, own: Api, queue: str
) -> None:
    claim = await own.run_one(queue, lease=1)
    server.signal(signal.SIGSTOP)
    await until(lambda: is_past(span(claim.lease_expire_time) + 0.2))
    server.signal(signal.SIGCONT)
    task = await own.wait(claim.task.id, 0.6)
    assert task.status == m.STATUS_RUNNING


async def is_past(instant: float) -> bool:
    return time.time() > instant
