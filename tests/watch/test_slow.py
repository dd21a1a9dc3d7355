"""A watcher that takes nothing is ended, hurts nobody, and can go on from its last token."""

import asyncio
from collections.abc import AsyncIterator, Callable

import grpc
import pytest
from watch.checker import Watched, check, stitch
from watch.following import Follower, finish_all, request_for
from watch.sites import FULL_TASK, Reading, Site, resumed
from watch.truth import Truth, Wanted, origin, read_truth

from harness import ServerProcess
from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as pb

# It is the windows of a connection that fill, whatever the store.
pytestmark = pytest.mark.sqlite

EVERYTHING = request_for(task_pb2.TaskFilter(), view=FULL_TASK)
Start = Callable[..., ServerProcess]
PATIENCE = 60.0
# Else the client makes its window as large as it thinks that the connection is: on a busy machine
# all that is poured may fit.
FIXED_WINDOW = ("grpc.http2.bdp_probe", 0)


@pytest.fixture
def impatient(start_server: Start) -> ServerProcess:
    """A server that soon loses patience."""
    return start_server("--slow-watcher-timeout", "1s")


@pytest.fixture
async def site(impatient: ServerProcess) -> AsyncIterator[Site]:
    async with Site(impatient.address) as site:
        yield site


class Sluggard:
    """A watcher with a connection of its own that reads one message, and then nothing."""

    def __init__(self, site: Site, request: pb.WatchTasksRequest) -> None:
        self._site = Site(site.address, FIXED_WINDOW)
        self.reading = Reading(request)
        self._call = self._site.tasks.WatchTasks(request)

    async def read_one(self) -> None:
        self.reading.take(await anext(aiter(self._call)))

    async def wake_up(self) -> Reading:
        """Read on to the end."""
        try:
            while True:
                await self.read_one()
        except grpc.aio.AioRpcError as error:
            self.reading.fail(error)
        await self._site.channel.close()
        return self.reading


async def pour(site: Site, megabytes: int) -> None:
    """Make so much to watch that no window holds it."""
    await site.create_many(4 * megabytes, queue="q", payload=bytes(250_000))


async def patience_is_over(server: ServerProcess, sluggards: int = 1) -> None:
    """Return when the server has lost patience with so many."""
    async with asyncio.timeout(PATIENCE):
        while server.log.read_text().count("takes nothing") < sluggards:
            await asyncio.sleep(0.05)


async def test_one_who_takes_nothing_is_ended_and_resumes_without_gap(
    impatient: ServerProcess, site: Site
) -> None:
    start = await origin(site)
    sluggard = Sluggard(site, EVERYTHING)
    await sluggard.read_one()
    await pour(site, 24)
    await patience_is_over(impatient)
    before = await sluggard.wake_up()
    assert before.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert before.info.reason == "WATCHER_TOO_SLOW"
    assert before.retry_info.HasField("retry_delay")
    truth = await read_truth(site, start)
    request = resumed(EVERYTHING, before.token)
    rest = await site.read(request, lambda seen: seen.revision >= truth.head)
    assert faults(truth, before, rest) == []


async def test_one_who_takes_nothing_of_a_snapshot_is_ended_and_resumes_amid_it(
    impatient: ServerProcess, site: Site
) -> None:
    start = await origin(site)
    await pour(site, 24)
    sluggard = Sluggard(site, EVERYTHING)
    await sluggard.read_one()
    await patience_is_over(impatient)
    before = await sluggard.wake_up()
    assert before.info.reason == "WATCHER_TOO_SLOW"
    assert not before.complete
    truth = await read_truth(site, start)
    request = resumed(EVERYTHING, before.token)
    rest = await site.read(request, lambda seen: seen.revision >= truth.head)
    assert faults(truth, before, rest) == []


def faults(truth: Truth, *readings: Reading) -> list[object]:
    messages = stitch([reading.messages for reading in readings])
    return [*check(Watched(messages, truth, Wanted(), truth.head))]


async def test_one_who_is_slow_but_takes_some_is_not_ended(site: Site) -> None:
    """More changes wait for it than its buffer holds: it goes on from the log."""
    start = await origin(site)
    sluggard = Sluggard(site, request_for(task_pb2.TaskFilter(), view=FULL_TASK))
    await sluggard.read_one()
    for _ in range(5):
        await site.create_many(1000, queue="q", payload=bytes(5_000))
        for _ in range(3):
            await sluggard.read_one()
    truth = await read_truth(site, start)
    while sluggard.reading.revision < truth.head:
        await sluggard.read_one()
    assert faults(truth, sluggard.reading) == []


async def test_nobody_waits_for_those_who_take_nothing(
    impatient: ServerProcess, site: Site
) -> None:
    start = await origin(site)
    sluggards = [Sluggard(site, EVERYTHING) for _ in range(5)]
    for sluggard in sluggards:
        await sluggard.read_one()
    followers = [Follower(site, request_for(task_pb2.TaskFilter())) for _ in range(3)]
    await pour(site, 24)
    over = asyncio.create_task(patience_is_over(impatient, len(sluggards)))
    trips = 0
    while not over.done():
        await trip(site)
        trips += not over.done()
    await over
    assert trips > 0  # while nobody had been ended yet
    for sluggard in sluggards:
        assert (await sluggard.wake_up()).info.reason == "WATCHER_TOO_SLOW"
    assert await finish_all(followers, await read_truth(site, start)) == []


async def trip(site: Site) -> None:
    """Let a change be acknowledged and seen by a watcher."""
    task = await site.create(queue="prompt")
    job = await site.begin(pb.WatchTasksRequest(ids=[task.id]))
    await site.cancel(task.id)
    assert (await job).code is grpc.StatusCode.OK


async def test_more_than_the_buffer_holds_in_one_moment_reaches_an_idle_watcher(
    site: Site,
) -> None:
    start = await origin(site)
    follower = Follower(site, request_for(task_pb2.TaskFilter()))
    requests = [pb.CreateTaskRequest(queue="q")] * 1000
    batch = pb.BatchCreateTasksRequest(requests=requests)
    await asyncio.gather(*(site.tasks.BatchCreateTasks(batch) for _ in range(5)))
    assert await finish_all([follower], await read_truth(site, start)) == []
