"""The server is killed under load, again and again: nothing acknowledged is lost."""

import asyncio
import random
import signal

import pytest
from faults.storm import EVERYTHING, QUEUES, Storm
from faults.survivor import Survivor
from watch.following import request_for
from watch.sites import Site
from watch.truth import origin, read_truth
from watch.workload import Workload

from harness import ServerProcess

ROUNDS = 4


@pytest.fixture
async def start(site: Site) -> str:
    return await origin(site)


@pytest.mark.parametrize(("number", "seed"), [(signal.SIGKILL, 1), (signal.SIGTERM, 2)])
async def test_what_was_acknowledged_outlives_the_server(
    server: ServerProcess, site: Site, start: str, number: int, seed: int
) -> None:
    """Each time it ends amid the work."""
    storm = Storm([site], start, seed)
    luck = random.Random(seed)
    for _ in range(ROUNDS):
        await storm.acknowledged(luck.randint(30, 150))
        server.signal(number)
        await asyncio.to_thread(server.wait)
        await asyncio.to_thread(server.start)
    await storm.acknowledged(50)
    await storm.settle()
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
        watches += [Survivor([site], request_for(EVERYTHING, resume_token=start)) for _ in range(2)]
        await work.acknowledged(100)
    work.enough.set()
    await working
    truth = await read_truth(site, start)
    for watch in watches:
        assert await watch.finish(truth) == []
