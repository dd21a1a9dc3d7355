"""How watches on filters live and end: bookmarks, age, shutdown."""

import asyncio
import signal
import time
from collections.abc import AsyncIterable, Callable
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from watch.checker import bookmarkable
from watch.following import request_for
from watch.sites import Reading, Site, resumed

from harness import ServerProcess
from idstatus.v1 import runner_service_pb2 as runner_pb
from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as pb

FOR_LATE = task_pb2.TaskFilter(has_late_report=True)
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
Start = Callable[..., ServerProcess]


def everything(**fields: object) -> pb.WatchTasksRequest:
    return request_for(task_pb2.TaskFilter(), **fields)


async def test_bookmarks_come_at_the_interval_when_nothing_happens(site: Site) -> None:
    reading = await site.read(everything(), lambda seen: len(seen.messages) == 4)
    assert bookmarkable(reading.times, interval=1, slack=0.4) == []
    assert reading.times[-1] - reading.times[0] > 2.7
    for message in reading.messages[1:]:
        assert (len(message.changes), message.snapshot_complete) == (0, False)
        assert message.resume_token


async def test_bookmarks_come_though_much_happens_that_is_not_meant(site: Site) -> None:
    async def write() -> None:
        while True:
            await site.create(queue="other")

    writing = asyncio.create_task(write())
    wanted = task_pb2.TaskFilter(queues=["silent"])
    reading = await site.read(request_for(wanted), lambda seen: len(seen.messages) == 4)
    writing.cancel()
    assert bookmarkable(reading.times, interval=1, slack=0.4) == []
    assert len({message.resume_token for message in reading.messages}) == 4


async def test_a_bookmark_spares_a_resumption_what_came_before_it(site: Site) -> None:
    wanted = task_pb2.TaskFilter(queues=["silent"])
    job = asyncio.create_task(site.read(request_for(wanted), lambda seen: len(seen.messages) == 2))
    await site.create(queue="other")
    bookmark = (await job).token
    mine = await site.create(queue="silent")
    request = resumed(request_for(wanted), bookmark)
    rest = await site.read(request, lambda seen: bool(seen.changes))
    assert [change.id_status.id for change in rest.changes] == [mine.id]


@pytest.mark.parametrize("nanos", [0, 999_000_000])
async def test_a_bookmark_interval_below_a_second_is_refused(shared: Site, nanos: int) -> None:
    request = pb.WatchTasksRequest(bookmark_interval=Duration(nanos=nanos))
    reading = await shared.read(request)
    assert reading.code is grpc.StatusCode.INVALID_ARGUMENT
    assert reading.info.reason == "INVALID_FIELD"


async def test_a_filter_watch_does_not_end_when_its_tasks_are_all_terminal(site: Site) -> None:
    task = await site.create(queue="q")
    root = task_pb2.TaskFilter(root_id=task.id)
    job = asyncio.create_task(site.read(request_for(root), lambda seen: len(seen.messages) >= 4))
    await site.cancel(task.id)
    await site.delete(task.id)
    reading = await job
    assert reading.code is None  # it was left, it has not ended


def assert_says_when_to_come_again(reading: Reading, reason: str) -> None:
    assert (reading.code, reading.info.reason) == (UNAVAILABLE, reason)
    assert reading.info.domain == "idstatus"
    assert reading.retry_info.HasField("retry_delay")


async def test_a_shutdown_ends_every_watch_with_unavailable(
    server: ServerProcess, site: Site
) -> None:
    task = await site.create(queue="q")
    requests = (everything(), pb.WatchTasksRequest(ids=[task.id]), request_for(FOR_LATE))
    jobs = [await site.begin(request) for request in requests]
    assert await asyncio.to_thread(server.stop) == 0
    for reading in await asyncio.gather(*jobs):
        assert_says_when_to_come_again(reading, "DRAINING")


async def test_a_watch_resumes_after_a_shutdown_without_gap(
    server: ServerProcess, site: Site
) -> None:
    first = await site.create(queue="q")
    job = await site.begin(everything())
    second = await site.create(queue="q")
    assert await asyncio.to_thread(server.stop) == 0
    before = await job
    server.start()
    third = await site.create(queue="q")
    request = resumed(everything(), before.token)
    rest = await site.read(request, lambda seen: seen.revision >= third.revision)
    changes = [*before.changes, *rest.changes]
    assert [c.id_status.id for c in changes] == [first.id, second.id, third.id]


async def read_all(call: AsyncIterable[pb.WatchTasksResponse]) -> None:
    async for _ in call:
        pass


async def stop_with_one_who_does_not_read(server: ServerProcess) -> tuple[float, grpc.RpcError]:
    """Return how long the server took to stop, and what the idle watcher then finds."""
    async with Site(server.address) as site, Site(server.address) as idle:
        await site.create_many(60, queue="q", payload=bytes(250_000))
        call = idle.tasks.WatchTasks(everything(view=task_pb2.TASK_VIEW_FULL))
        await anext(aiter(call))
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        assert await asyncio.to_thread(server.wait) == 0
        took = time.monotonic() - began
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await read_all(call)
        return took, ended.value


async def test_a_shutdown_takes_one_grace_though_somebody_does_not_read(
    start_server: Start,
) -> None:
    server = start_server("--grace", "1s", "--slow-watcher-timeout", "60s")
    took, _ = await stop_with_one_who_does_not_read(server)
    assert took < 1.8


async def test_a_shutdown_ends_one_who_does_not_read_with_unavailable(start_server: Start) -> None:
    server = start_server("--grace", "1s", "--slow-watcher-timeout", "60s")
    _, error = await stop_with_one_who_does_not_read(server)
    assert isinstance(error, grpc.aio.AioRpcError)
    assert error.code() is UNAVAILABLE


async def test_a_stream_past_its_age_ends_and_can_be_resumed(start_server: Start) -> None:
    server = start_server("--max-stream-age", "1s")
    async with Site(server.address) as site:
        first = await site.create(queue="q")
        began = time.monotonic()
        reading = await site.read(everything())
        assert 0.9 < time.monotonic() - began < 3
        assert_says_when_to_come_again(reading, "STREAM_AGED")
        second = await site.create(queue="q")
        rest = await site.read(resumed(everything(), reading.token))
        assert [c.id_status.id for c in reading.changes] == [first.id]
        assert [c.id_status.id for c in rest.changes] == [second.id]
        assert_says_when_to_come_again(rest, "STREAM_AGED")


async def test_a_busy_stream_ages_too(start_server: Start) -> None:
    server = start_server("--max-stream-age", "1s")
    async with Site(server.address) as site:

        async def write() -> None:
            while True:
                await site.create(queue="q")

        writing = asyncio.create_task(write())
        reading = await site.read(everything())
        writing.cancel()
        assert_says_when_to_come_again(reading, "STREAM_AGED")


async def test_a_runners_stream_ages_too_and_what_it_holds_it_holds_on_the_next(
    start_server: Start,
) -> None:
    server = start_server("--max-stream-age", "1s")
    async with Site(server.address) as site:
        await site.create(queue="q")
        call: Any = site.runners.Run()
        subscription = runner_pb.Subscription(queues=["q"], capacity=1)
        await call.write(runner_pb.RunRequest(subscription=subscription))
        assert (await call.read()).HasField("subscription")
        (claim,) = (await call.read()).claims.claims
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await call.read()
        assert ended.value.code() is UNAVAILABLE
        report = runner_pb.Report(id=claim.task.id, lease_token=claim.lease_token)
        report.success.SetInParent()
        request = runner_pb.FinishTasksRequest(reports=[report])
        (result,) = (await site.runners.FinishTasks(request)).results
        assert result.HasField("id_status")
