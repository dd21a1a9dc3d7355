"""The server is killed under load, again and again: nothing acknowledged is lost."""

import asyncio
import random
import signal

import pytest
from faults.promises import assert_created_once, assert_kept, assert_ran_at_most_once
from faults.survivor import Survivor
from watch.following import request_for
from watch.sites import Site
from watch.truth import origin, read_truth
from watch.workload import Workload

from harness import ServerProcess
from idstatus.v1 import task_pb2

QUEUES = ("one", "two")
FILTERS = (
    (task_pb2.TaskFilter(), 0),
    (task_pb2.TaskFilter(), 1),
    (task_pb2.TaskFilter(queues=["one"]), 0),
    (task_pb2.TaskFilter(queues=["two"]), 3),
    (task_pb2.TaskFilter(statuses=[task_pb2.STATUS_QUEUED, task_pb2.STATUS_ERROR]), 0),
)
ROUNDS = 6


class Storm:
    """A workload, watches beside it, and a server that does not last."""

    def __init__(self, server: ServerProcess, site: Site, seed: int) -> None:
        self.server = server
        self.site = site
        self.work = Workload(site, QUEUES, seed, stubborn=True)
        self.watches = [Survivor([site], request_for(f), hops) for f, hops in FILTERS]
        self._random = random.Random(seed)

    async def rage(self, number: int) -> None:
        """End the server some times, each time amid the work, and start it again."""
        working = asyncio.create_task(self.work.run(10_000))
        for _ in range(ROUNDS):
            await self.work.acknowledged(self._random.randint(30, 150))
            self.server.signal(number)
            await asyncio.to_thread(self.server.wait)
            self.server.kill()  # lets go of what is left of it
            await asyncio.to_thread(self.server.start)
        await self.work.acknowledged(50)
        self.work.enough.set()
        await working


@pytest.fixture
async def start(site: Site) -> str:
    return await origin(site)


@pytest.mark.parametrize(
    ("number", "seed"), [(signal.SIGKILL, 1), (signal.SIGKILL, 2), (signal.SIGTERM, 3)]
)
async def test_what_was_acknowledged_outlives_the_server(
    server: ServerProcess, site: Site, start: str, number: int, seed: int
) -> None:
    storm = Storm(server, site, seed)
    await storm.rage(number)
    truth = await read_truth(site, start)  # dense, in order, as every task tells it
    assert_kept(truth, storm.work)
    assert_ran_at_most_once(truth, storm.work.claims)
    assert_created_once(truth, storm.work.requests)
    for watch in storm.watches:
        assert await watch.finish(truth) == []
    assert storm.watches[0].codes.count(None) == 1
    assert len(storm.watches[0].codes) > ROUNDS / 2


async def test_those_who_resume_right_after_a_restart_see_nothing_twice(
    server: ServerProcess, site: Site, start: str
) -> None:
    """They read the log's end while the new server's first commits come in."""
    work = Workload(site, QUEUES, seed=9, stubborn=True)
    await work.run(10)
    watches: list[Survivor] = []
    working = asyncio.create_task(work.run(10_000))
    for _ in range(3):
        server.kill()
        await asyncio.to_thread(server.start)
        watches += [
            Survivor([site], request_for(FILTERS[0][0], resume_token=start)) for _ in range(5)
        ]
        await work.acknowledged(100)
    work.enough.set()
    await working
    truth = await read_truth(site, start)
    for watch in watches:
        assert await watch.finish(truth) == []
