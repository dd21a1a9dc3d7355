"""A little of everything that a server does, so that every metric has something to tell."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from rpc.wire import Api, refused, report, seconds, until

from idstatus.v1 import task_pb2 as m
from idstatus.v1 import task_service_pb2 as t


@asynccontextmanager
async def traffic(address: str, queue: str = "mail") -> AsyncIterator[Api]:
    """Play all kinds of calls and of lives, and leave a watch open meanwhile."""
    async with Api.at(address) as api:
        watch = api.tasks.WatchTasks(t.WatchTasksRequest(filter=m.TaskFilter(queues=[queue])))
        await watch.read()
        await succeeds_and_fails(api, queue)
        await expires_and_is_cancelled(api, queue)
        await api.create(queue)
        await refused(api.get("there-is-none"))
        await refused(api.raw("idstatus.v1.TaskService/NoSuchMethod", b""))
        yield api
        watch.cancel()


async def succeeds_and_fails(api: Api, queue: str) -> None:
    await api.succeed(await api.run_one(queue))
    await api.fail(await api.run_one(queue))


async def expires_and_is_cancelled(api: Api, queue: str) -> None:
    """Let a delayed task become due, its lease pass, and another one be cancelled."""
    task = await api.create(queue, delay=seconds(0.1))
    (claim,) = await api.claim(queue, wait=10, lease_duration=seconds(1))
    assert claim.task.id == task.id
    await api.cancel((await api.create(queue)).id)
    done = await api.wait(task.id)
    assert done.reason == m.REASON_TIMEOUT
    late = await api.finish_all(report(claim, success=m.Success()))
    assert len(late) == 1


async def given_up(api: Api, queue: str) -> None:
    """Wait for a task for less long than it takes, and give up another wait at once."""
    task = await api.create(queue)
    request = t.WaitTaskRequest(id=task.id, wait=seconds(30))
    waiting = api.tasks.WaitTask(request)
    await api.settle()
    waiting.cancel()
    # Nobody runs it, and without room to wait in, the server has no time to say so.
    stream = api.tasks.WatchTasks(t.WatchTasksRequest(ids=[task.id]), timeout=0.3)

    async def is_over() -> bool:
        return await stream.code() is grpc.StatusCode.DEADLINE_EXCEEDED

    await until(is_over)
    await asyncio.sleep(0)
