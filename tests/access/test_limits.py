"""One caller's limits: who reaches them is refused, and nobody else notices."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest
from access.people import LIST, api_of, entry, knock, static
from rpc.stream import Runner
from rpc.wire import Refusal, lease, outcome, refused, seconds, until

from harness import ServerProcess
from idstatus.v1 import task_pb2 as m
from idstatus.v1 import task_service_pb2 as t

LIMIT = ("RESOURCE_EXHAUSTED", "CALLER_LIMIT")
IN_FLIGHT, WATCHES, RATE = 3, 2, 40


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("limited")
    limits = f"[limits]\nin_flight = {IN_FLIGHT}\nwatches = {WATCHES}\nrate = {RATE}\n"
    callers = "".join(entry(name, "admin") for name in ("greedy", "modest", "hasty", "runner"))
    (folder / "auth.toml").write_text(limits + callers)
    server = ServerProcess(folder, "--auth", str(folder / "auth.toml")).start()
    yield server
    server.stop()


@pytest.fixture
async def channel(limited: ServerProcess) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(limited.address) as channel:
        yield channel


async def test_a_caller_has_so_many_watches_and_others_have_theirs(
    channel: grpc.aio.Channel,
) -> None:
    greedy, modest = (api_of(channel, static(name)) for name in ("greedy", "modest"))
    open_now = [greedy.tasks.WatchTasks(t.WatchTasksRequest()) for _ in range(WATCHES)]
    for watch in open_now:
        await watch.read()
    refusal = await refused(greedy.tasks.WatchTasks(t.WatchTasksRequest()).read())
    assert refusal.kind == LIMIT
    assert refusal.retry_after
    others = modest.tasks.WatchTasks(t.WatchTasksRequest())
    await others.read()
    others.cancel()
    open_now.pop().cancel()

    async def let_in() -> bool:
        watch = greedy.tasks.WatchTasks(t.WatchTasksRequest())
        answer = await outcome(watch.read())
        watch.cancel()
        return isinstance(answer, t.WatchTasksResponse)

    await until(let_in)
    for watch in open_now:
        watch.cancel()


async def test_a_caller_has_so_many_calls_in_flight_and_one_that_waits_is_none(
    channel: grpc.aio.Channel,
) -> None:
    greedy, modest = (api_of(channel, static(name)) for name in ("greedy", "modest"))
    tasks = [await modest.create("waited-for") for _ in range(WATCHES)]
    waits = [asyncio.create_task(greedy.wait(task.id)) for task in tasks]
    batch = [t.CreateTaskRequest(queue="many", payload=b"x" * 20_000)] * 100
    calls = [asyncio.create_task(greedy.batch(*batch)) for _ in range(3 * IN_FLIGHT)]
    assert await modest.status(tasks[0].id)
    answers = await asyncio.gather(*map(outcome, calls))
    kinds = [answer.kind for answer in answers if isinstance(answer, Refusal)]
    assert set(kinds) == {LIMIT}
    assert len(answers) - len(kinds) >= IN_FLIGHT
    for task in tasks:
        await modest.cancel(task.id)
    assert [task.status for task in await asyncio.gather(*waits)] == [m.STATUS_CANCELLED] * WATCHES


async def test_a_caller_calls_so_often_and_others_as_they_like(
    channel: grpc.aio.Channel,
) -> None:
    hasty = [knock(channel, LIST, static("hasty")) for _ in range(5 * RATE)]
    began = time.monotonic()
    refusals = await asyncio.gather(*hasty)
    took = time.monotonic() - began
    served = refusals.count(None)
    assert {refusal.kind for refusal in refusals if refusal} == {LIMIT}
    assert RATE <= served <= RATE * (1 + took) + 1
    assert await knock(channel, LIST, static("modest")) is None


async def test_what_is_said_on_a_stream_counts_and_is_read_the_later(
    channel: grpc.aio.Channel,
) -> None:
    api = api_of(channel, static("runner"))
    task = await api.create("paced")
    runner = Runner(api.runners.Run())
    await runner.subscribe("paced")
    (claim,) = await runner.claims()
    assert claim.task.id == task.id
    began = time.monotonic()
    for _ in range(2 * RATE):
        await runner.extend(lease(claim, lease_duration=seconds(30)))
    assert time.monotonic() - began >= 0.9
    runner.call.cancel()


async def test_who_fails_to_sign_in_again_and_again_is_answered_late_and_nobody_else(
    channel: grpc.aio.Channel,
) -> None:
    began = time.monotonic()
    late = [asyncio.create_task(knock(channel, LIST, f"guess-{i}")) for i in range(70)]
    await asyncio.wait(late, return_when=asyncio.FIRST_COMPLETED)
    assert await knock(channel, LIST, static("modest")) is None
    answers = await asyncio.gather(*late)
    assert time.monotonic() - began >= 1.5
    assert {answer and answer.kind for answer in answers} == {
        ("UNAUTHENTICATED", "BAD_CREDENTIALS")
    }
