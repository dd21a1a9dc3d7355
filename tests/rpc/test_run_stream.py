"""Run: claims, notices, extensions and reports in one stream."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from rpc.stream import Runner
from rpc.wire import Api, lease, names, refused, report, seconds

from harness import ServerProcess
from idstatus.v1 import runner_service_pb2 as r
from idstatus.v1 import task_pb2 as m


@asynccontextmanager
async def running(api: Api) -> AsyncIterator[Runner]:
    call = api.runners.Run()
    yield Runner(call)
    call.cancel()


async def test_tasks_are_pushed_as_they_arrive_and_as_room_frees_up(api: Api, queue: str) -> None:
    async with running(api) as runner:
        await runner.subscribe(queue, capacity=2, runner="r9", lease_duration=seconds(20))
        created = [await api.create(queue, payload=b"x") for _ in range(3)]
        held: list[r.Claim] = []
        while len(held) < 2:
            held += await runner.claims()
        assert names(held) == names(created[:2])
        assert (held[0].task.payload, held[0].task.runner) == (b"x", "r9")
        assert (await api.status(created[2].id)).status == m.STATUS_QUEUED
        (result,) = await runner.finish(report(held[0], success=m.Success(result=b"y")))
        assert result.id_status.status == m.STATUS_SUCCESS
        assert names(await runner.claims()) == [created[2].id]
        assert (await api.get(created[0].id)).result == b"y"


async def test_a_runner_hears_at_once_that_its_task_was_cancelled(api: Api, queue: str) -> None:
    async with running(api) as runner:
        await runner.subscribe(queue)
        task = await api.create(queue)
        (claim,) = await runner.claims()
        cancelled = await api.cancel(task.id, message="enough")
        notice = await runner.notice()
        assert (notice.id_status, notice.message) == (cancelled, "enough")
        second = await api.create(queue)  # there is no room until a report arrives
        (answer,) = await runner.extend(lease(claim))
        assert answer.state == r.LeaseResult.STATE_CANCELLED
        assert (await api.status(second.id)).status == m.STATUS_QUEUED
        (result,) = await runner.finish(report(claim, stopped=m.Stopped()))
        assert result.id_status.execution == m.EXECUTION_ENDED
        assert names(await runner.claims()) == [second.id]


async def test_a_runner_hears_at_once_that_its_task_has_expired(api: Api, queue: str) -> None:
    async with running(api) as runner:
        await runner.subscribe(queue, lease_duration=seconds(1))
        task = await api.create(queue)
        (claim,) = await runner.claims()
        notice = await runner.notice()
        assert notice.id_status == await api.status(task.id)
        assert (notice.id_status.status, notice.id_status.reason) == (
            m.STATUS_ERROR,
            m.REASON_TIMEOUT,
        )
        (result,) = await runner.finish(report(claim, success=m.Success()))
        assert result.error.code == 9
        assert (await api.get(task.id)).HasField("late_report")


async def test_a_refused_report_does_not_end_the_notices(api: Api, queue: str) -> None:
    async with running(api) as runner:
        await runner.subscribe(queue)
        task = await api.create(queue)
        (claim,) = await runner.claims()
        (result,) = await runner.finish(report(claim, stopped=m.Stopped()))
        assert result.HasField("error")  # it still runs
        await api.create(queue)
        cancelled = await api.cancel(task.id)
        assert (await runner.notice()).id_status == cancelled


async def test_extensions_and_progress_travel_up_the_stream(api: Api, queue: str) -> None:
    async with running(api) as runner:
        await runner.subscribe(queue)
        await api.create(queue)
        (claim,) = await runner.claims()
        progress = m.Progress(fraction=0.5)
        (result,) = await runner.extend(lease(claim, progress=progress, lease_duration=seconds(60)))
        assert result.state == r.LeaseResult.STATE_EXTENDED
        task = await api.get(claim.task.id)
        assert (task.progress, task.lease_expire_time) == (progress, result.lease_expire_time)


async def test_leases_outlive_the_stream_and_bring_their_notices_to_the_next(
    api: Api, queue: str
) -> None:
    task = await api.create(queue)
    async with running(api) as runner:
        await runner.subscribe(queue)
        (claim,) = await runner.claims()
    async with running(api) as runner:
        await runner.subscribe(queue, capacity=0)
        assert (await api.status(task.id)).status == m.STATUS_RUNNING
        (result,) = await runner.extend(lease(claim))
        assert result.state == r.LeaseResult.STATE_EXTENDED
        cancelled = await api.cancel(task.id)
        assert (await runner.notice()).id_status == cancelled


async def test_a_runner_may_change_its_mind(api: Api, queue: str) -> None:
    other = f"{queue}-other"
    async with running(api) as runner:
        await runner.subscribe(queue, capacity=0)
        first = await api.create(queue)
        second = await api.create(other)
        await runner.subscribe(other, capacity=1)
        assert names(await runner.claims()) == [second.id]
        await runner.subscribe(other, queue, capacity=2)
        assert names(await runner.claims()) == [first.id]
        await runner.subscribe(queue, capacity=0)  # to drain
        await api.create(queue)
        assert await runner.extend(r.Lease(id="unknown"))


async def test_a_runner_that_is_done_gets_its_last_answers(api: Api, queue: str) -> None:
    async with running(api) as runner:
        await runner.subscribe(queue)
        await api.create(queue)
        (claim,) = await runner.claims()
        await runner.say(finish=r.FinishTasksRequest(reports=[report(claim, success=m.Success())]))
        await runner.call.done_writing()
        await runner.hear("finish")
        assert await runner.call.read() is grpc.aio.EOF
        assert (await runner.call.code()).name == "OK"
        assert (await api.status(claim.task.id)).status == m.STATUS_SUCCESS


async def test_the_first_message_must_be_a_subscription(api: Api) -> None:
    for request in (r.RunRequest(extend=r.ExtendLeasesRequest()), r.RunRequest(tag=1)):
        call = api.runners.Run()
        await call.write(request)
        refusal = await refused(call.read())
        assert (*refusal.kind, refusal.fields) == (
            "INVALID_ARGUMENT",
            "INVALID_FIELD",
            ["subscription"],
        )


async def test_a_bad_message_ends_the_stream_by_its_fields_name(api: Api, queue: str) -> None:
    bad: dict[str, dict[str, Any]] = {
        "subscription.capacity": {"subscription": r.Subscription(capacity=1001)},
        "subscription.lease_duration": {
            "subscription": r.Subscription(lease_duration=seconds(0.5))
        },
        "subscription.queues": {"subscription": r.Subscription(queues=["q"] * 101)},
        "subscription.runner": {"subscription": r.Subscription(runner="r" * 256)},
        "request": {},
        "leases": {"extend": r.ExtendLeasesRequest()},
        "reports": {"finish": r.FinishTasksRequest()},
    }
    for field, request in bad.items():
        async with running(api) as runner:
            await runner.subscribe(queue)
            await runner.say(**request)
            refusal = await refused(runner.call.read())
            assert refusal.kind == ("INVALID_ARGUMENT", "INVALID_FIELD")
            assert refusal.fields == [field]


async def test_a_lost_stream_keeps_no_task_from_others(
    api: Api, shared_server: ServerProcess, queue: str
) -> None:
    async with Api.at(shared_server.address) as other, running(other) as runner:
        await runner.subscribe(queue, capacity=5)
    created = await api.create(queue)
    assert names(await api.claim(queue, wait=5)) == [created.id]


async def test_two_streams_share_a_queue_without_sharing_a_task(api: Api, queue: str) -> None:
    async with running(api) as one, running(api) as two:
        await one.subscribe(queue, capacity=10)
        await two.subscribe(queue, capacity=10)
        created = [await api.create(queue) for _ in range(20)]
        seen: list[str] = []

        async def collect(runner: Runner) -> None:
            count = 0
            while count < 10:
                claims = await runner.claims()
                count += len(claims)
                seen.extend(names(claims))

        await asyncio.gather(collect(one), collect(two))
        assert sorted(seen) == sorted(names(created))


async def test_a_killed_server_ends_the_stream_as_unavailable(
    server: ServerProcess, own: Api, queue: str
) -> None:
    async with running(own) as runner:
        await runner.subscribe(queue)
        server.kill()
        refusal = await refused(runner.call.read())
        assert refusal.code == "UNAVAILABLE"
