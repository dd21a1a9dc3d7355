"""Watches of every kind beside busy writers, held against the whole truth."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from watch.checker import Watched, check, stitch
from watch.following import Follower, check_resumption, finish_all, request_for
from watch.sites import Reading, Site, resumed
from watch.truth import DELETED, TRANSITION, UPDATE, Truth, Wanted, origin, read_truth
from watch.workload import Workload

from harness import ServerProcess
from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as pb

ERROR, QUEUED, RUNNING = task_pb2.STATUS_ERROR, task_pb2.STATUS_QUEUED, task_pb2.STATUS_RUNNING
FILTERS = {
    "everything": task_pb2.TaskFilter(),
    "one queue": task_pb2.TaskFilter(queues=["busy"]),
    "two queues": task_pb2.TaskFilter(queues=["busy", "other"]),
    "queued": task_pb2.TaskFilter(statuses=[QUEUED]),
    "running or error": task_pb2.TaskFilter(statuses=[RUNNING, ERROR]),
    "red in one queue": task_pb2.TaskFilter(queues=["other"], labels={"colour": "red"}),
    "late": task_pb2.TaskFilter(has_late_report=True),
    "not late": task_pb2.TaskFilter(has_late_report=False, statuses=[task_pb2.STATUS_CANCELLED]),
}
QUEUES = ("busy", "other")


@pytest.fixture
async def start(site: Site) -> str:
    return await origin(site)


@pytest.fixture
async def work(site: Site) -> AsyncIterator[Workload]:
    """A workload that has begun, with some tasks there already."""
    work = Workload(site, QUEUES, seed=1)
    await work.run(10)
    yield work
    work.enough.set()


async def follow_all(site: Site, work: Workload) -> list[Follower]:
    """Start watches one after the other while the writers write, then let those finish."""
    busy = asyncio.create_task(work.run(30))
    followers = []
    for wanted in FILTERS.values():
        followers += [Follower(site, request_for(wanted)) for _ in range(3)]
        await work.acknowledged(15)
    await busy
    return followers


async def test_each_filter_shows_one_state_and_then_every_change(
    site: Site, start: str, work: Workload
) -> None:
    followers = await follow_all(site, work)
    truth = await read_truth(site, start)
    assert await finish_all(followers, truth) == []
    assert {TRANSITION, UPDATE, DELETED} <= {entry.type for entry in truth.entries}
    assert any(truth.pairs())


async def test_tokens_of_every_filter_resume_even_after_a_restart(
    server: ServerProcess, site: Site, start: str, work: Workload
) -> None:
    followers = await follow_all(site, work)
    truth = await read_truth(site, start)
    await finish_all(followers, truth)
    server.kill()
    server.start()
    readings = [follower.reading for follower in followers[::3]]
    checks = [check_resumption(site, r, truth, tokens=6) for r in readings]
    assert await asyncio.gather(*checks) == [[]] * len(FILTERS)


async def test_every_single_token_resumes(site: Site, start: str) -> None:
    work = Workload(site, QUEUES, seed=2)
    await work.run(3)
    follower = Follower(site, request_for(FILTERS["everything"]))
    await work.run(8)
    truth = await read_truth(site, start)
    assert await follower.finish(truth) == []
    assert await check_resumption(site, follower.reading, truth) == []


async def test_a_watch_that_resumes_after_every_message_is_one_watch(
    site: Site, start: str, work: Workload
) -> None:
    busy = asyncio.create_task(work.run(30))
    segments: list[list[pb.WatchTasksResponse]] = []
    request = request_for(FILTERS["one queue"])

    async def hop(token: str) -> Reading:
        reading = await site.read(resumed(request, token), lambda _: True)
        segments.append(reading.messages)
        return reading

    token = ""
    while not busy.done():
        token = (await hop(token)).token
    truth = await read_truth(site, start)
    wanted = Wanted(filter=request.filter)
    goal = max(entry.revision for entry in truth.shown(wanted))
    while max(c.id_status.revision for s in segments for m in s for c in m.changes) < goal:
        token = (await hop(token)).token
    assert check(Watched(stitch(segments), truth, wanted, truth.head)) == []


async def test_the_chain_of_a_root_is_shown_whole(site: Site, start: str) -> None:
    policy = task_pb2.RetryPolicy(max_retries=3)
    policy.retry_delay.FromMilliseconds(0)
    root = await site.create(queue="chain", retry_policy=policy)
    follower = Follower(site, request_for(task_pb2.TaskFilter(root_id=root.id)))
    work = Workload(site, ("chain",), seed=4)
    await work.run(40, producers=1)
    truth: Truth = await read_truth(site, start)
    assert await follower.finish(truth) == []
