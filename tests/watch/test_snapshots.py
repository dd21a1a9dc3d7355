"""Snapshots of thousands of tasks: paged, and of one revision whatever happens meanwhile."""

import asyncio

import grpc
import pytest
from watch.checker import Watched, check
from watch.following import Follower, check_resumption, finish_all, request_for
from watch.sites import Reading, Site
from watch.truth import Truth, Wanted, origin, read_truth

from harness import ServerProcess
from idstatus.v1 import runner_service_pb2 as runner_pb
from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as pb

TASKS = 2000
QUEUED = task_pb2.STATUS_QUEUED
FILTERS = (
    task_pb2.TaskFilter(),
    task_pb2.TaskFilter(queues=["mass"], statuses=[QUEUED]),
    task_pb2.TaskFilter(statuses=[task_pb2.STATUS_CANCELLED]),
    task_pb2.TaskFilter(labels={"size": "big"}),
)


class Mass:
    """A store that began empty and holds a mass of tasks."""

    def __init__(self, site: Site, start: str, ids: list[str]) -> None:
        self.site, self.start, self.ids = site, start, ids

    async def upheave(self) -> None:
        """Claim, cancel, delete and add tasks all over."""
        tasks = self.site.tasks
        claim = runner_pb.ClaimTasksRequest(queues=["mass"], max_tasks=200)
        await self.site.runners.ClaimTasks(claim)
        for start in range(0, TASKS, 500):
            await self.site.cancel(*self.ids[start : start + 250])
        gone = self.ids[50:250] + self.ids[-1750:-1500] + self.ids[1000:1200]
        deletions = (tasks.DeleteTask(pb.DeleteTaskRequest(id=task_id)) for task_id in gone)
        await asyncio.gather(*deletions, return_exceptions=True)
        await self.site.create_many(300, queue="mass")
        await self.site.cancel(*self.ids[-250:])


@pytest.fixture
async def mass(site: Site) -> Mass:
    start = await origin(site)
    tasks = await site.create_many(TASKS // 2, queue="mass", labels={"size": "big"})
    tasks += await site.create_many(TASKS // 2, queue="mass")
    await site.cancel(*(task.id for task in tasks[400:1000]))
    return Mass(site, start, [task.id for task in tasks])


async def read_snapshots(site: Site) -> list[Reading]:
    requests = map(request_for, FILTERS)
    return await asyncio.gather(*(site.read(r, lambda seen: seen.complete) for r in requests))


async def test_a_snapshot_comes_in_pages_each_with_a_token_of_its_own(mass: Mass) -> None:
    everything, *_ = await read_snapshots(mass.site)
    assert len(everything.messages) >= 5
    assert len({message.resume_token for message in everything.messages}) == len(
        everything.messages
    )
    assert len({change.id_status.id for change in everything.changes}) == TASKS


async def test_tokens_from_amid_a_snapshot_lead_to_its_rest_as_it_was(mass: Mass) -> None:
    readings = await read_snapshots(mass.site)
    await mass.upheave()
    truth = await read_truth(mass.site, mass.start)
    for reading in readings:
        assert await check_resumption(mass.site, reading, truth) == []


async def test_tokens_from_amid_a_snapshot_outlive_a_restart(
    server: ServerProcess, mass: Mass
) -> None:
    readings = await read_snapshots(mass.site)
    await mass.upheave()
    server.kill()
    server.start()
    truth = await read_truth(mass.site, mass.start)
    for reading in readings:
        assert await check_resumption(mass.site, reading, truth) == []


async def test_snapshots_taken_during_an_upheaval_are_of_one_revision(mass: Mass) -> None:
    upheaval = asyncio.create_task(mass.upheave())
    followers = []
    while not upheaval.done():
        followers += [Follower(mass.site, request_for(wanted)) for wanted in FILTERS]
        await mass.site.read(request_for(FILTERS[1]), lambda seen: len(seen.messages) >= 2)
    truth = await read_truth(mass.site, mass.start)
    assert await finish_all(followers, truth) == []


async def test_a_snapshot_read_by_and_by_is_still_of_one_revision(mass: Mass) -> None:
    request = request_for(FILTERS[0], view=task_pb2.TASK_VIEW_BASIC)
    call = mass.site.tasks.WatchTasks(request)
    reading = Reading(request)
    reading.take(await anext(aiter(call)))
    await mass.upheave()
    truth: Truth = await read_truth(mass.site, mass.start)
    async for message in call:
        reading.take(message)
        if reading.revision >= truth.head:
            break
    call.cancel()
    assert check(Watched(reading.messages, truth, Wanted(), truth.head)) == []


async def test_the_counts_of_a_snapshot_add_up(mass: Mass) -> None:
    """Tasks only ever move from queued to cancelled here, in one commit each time."""
    moving = asyncio.create_task(cancel_in_hundreds(mass))
    while not moving.done():
        reading = await mass.site.read(request_for(FILTERS[0]), lambda seen: seen.complete)
        statuses = [change.id_status.status for change in reading.changes]
        assert len(statuses) == TASKS
    await moving


async def cancel_in_hundreds(mass: Mass) -> None:
    for start in range(1000, TASKS, 100):
        await mass.site.cancel(*mass.ids[start : start + 100])


async def test_a_filter_that_nothing_matches_has_an_empty_snapshot(site: Site) -> None:
    wanted = task_pb2.TaskFilter(queues=["nobody-knows-it"])
    reading = await site.read(request_for(wanted), lambda seen: seen.complete)
    assert (reading.changes, len(reading.messages)) == ([], 1)


async def test_a_watch_by_creation_time_works_on_an_empty_store(site: Site) -> None:
    wanted = task_pb2.TaskFilter()
    wanted.create_time.start.FromSeconds(1)
    reading = await site.read(request_for(wanted), lambda seen: seen.complete)
    assert (reading.code, reading.changes) == (None, [])


async def test_a_watch_by_creation_time_shows_those_created_within_it(site: Site) -> None:
    early = await site.create(queue="a")
    middle = await site.create(queue="b")
    wanted = task_pb2.TaskFilter()
    wanted.create_time.start.CopyFrom(middle.create_time)
    follower = Follower(site, request_for(wanted))
    late = await site.create(queue="a")
    follower.goal.revision = late.revision
    reading = await follower.job
    seen = [change.id_status.id for change in reading.changes]
    assert seen == [middle.id, late.id]
    assert early.id not in seen
    assert reading.code is not grpc.StatusCode.INTERNAL
