"""The connection breaks amid a commit: what became of it is found out, not guessed."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from replicas.proxy import Proxy

from harness import ServerProcess
from idstatus.v1 import task_service_pb2 as pb
from idstatus.v1.task_service_pb2_grpc import TaskServiceStub


@pytest.fixture
async def tasks(proxy: Proxy, tmp_path: Path) -> AsyncIterator[Any]:
    server = ServerProcess(tmp_path, store=proxy.url)
    await asyncio.to_thread(server.start)
    async with grpc.aio.insecure_channel(server.address) as channel:
        yield TaskServiceStub(channel)
    await asyncio.to_thread(server.kill)


async def ids(tasks: Any) -> list[str]:
    return [task.id for task in (await tasks.ListTasks(pb.ListTasksRequest(page_size=1000))).tasks]


async def test_a_commit_whose_answer_is_lost_is_found_and_acknowledged(
    tasks: Any, proxy: Proxy
) -> None:
    proxy.lose_answer = True
    made = (await tasks.CreateTask(pb.CreateTaskRequest())).task
    assert proxy.lost == 1
    assert await ids(tasks) == [made.id]


async def test_a_commit_that_is_lost_itself_is_refused(tasks: Any, proxy: Proxy) -> None:
    proxy.lose_order = True
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await tasks.CreateTask(pb.CreateTaskRequest(task_id="a"))
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert proxy.lost == 1
    assert await ids(tasks) == []
    assert (await tasks.CreateTask(pb.CreateTaskRequest(task_id="a"))).task.id == "a"


async def test_where_it_cannot_be_found_out_the_request_id_tells(tasks: Any, proxy: Proxy) -> None:
    request = pb.CreateTaskRequest(request_id="once")
    proxy.lose_answer = True
    going_away = asyncio.create_task(until_lost(proxy))
    with pytest.raises(grpc.aio.AioRpcError, match="not known") as refused:
        await tasks.CreateTask(request)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    await going_away
    await proxy.start()
    made = (await tasks.CreateTask(request, wait_for_ready=True)).task
    assert await ids(tasks) == [made.id]


async def until_lost(proxy: Proxy) -> None:
    """Go away, for good, as soon as an answer is lost."""
    while not proxy.lost:
        await asyncio.sleep(0)
    await proxy.stop()


async def test_many_callers_each_learn_what_became_of_their_task(tasks: Any, proxy: Proxy) -> None:
    kept: set[str] = set()
    refused: dict[str, grpc.StatusCode] = {}

    async def create(task_id: str) -> None:
        try:
            await tasks.CreateTask(pb.CreateTaskRequest(task_id=task_id))
        except grpc.aio.AioRpcError as error:
            refused[task_id] = error.code()
        else:
            kept.add(task_id)

    chance = random.Random(5)
    for number in range(12):
        setattr(proxy, chance.choice(("lose_answer", "lose_order")), True)
        await asyncio.gather(*(create(f"{number}-{i}") for i in range(20)))
    assert proxy.lost == 12
    assert set(await ids(tasks)) == kept
    assert set(refused.values()) == {grpc.StatusCode.UNAVAILABLE}
