"""Workers are killed at random under load: the promises are those of one server."""

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack
from itertools import chain

from faults.promises import assert_created_once, assert_kept, assert_ran_at_most_once
from faults.survivor import Survivor
from faults.test_kill import FILTERS
from watch.following import request_for
from watch.sites import Site
from watch.truth import origin, read_truth
from watch.workload import Workload
from workers.crew import Crew

QUEUES = ("one", "two")
ROUNDS = 4


async def rage(crew: Crew, works: list[Workload]) -> None:
    """Let all work, and kill one worker after another amid the work."""
    working = [asyncio.create_task(work.run(10_000)) for work in works]
    for _ in range(ROUNDS):
        await asyncio.gather(*(work.acknowledged(random.randint(10, 60)) for work in works))
        victim = random.choice(crew.workers)
        victim.kill()
        await crew.whole_again(without=victim)
    for work in works:
        await work.acknowledged(20)
        work.enough.set()
    await asyncio.gather(*working)


async def test_nothing_is_lost_torn_or_run_twice_while_workers_are_killed(crew: Crew) -> None:
    async with AsyncExitStack() as stack:

        async def connect() -> Site:
            return await stack.enter_async_context(Site(crew.server.address))

        sites = [await connect() for _ in range(6)]  # each may get another worker
        start = await origin(sites[0])
        works = [Workload(await connect(), QUEUES, seed, stubborn=True) for seed in range(1, 5)]
        watches = [Survivor(sites, request_for(f), hops) for f, hops in FILTERS]
        await rage(crew, works)
        truth = await read_truth(sites[0], start)  # dense, in order, as every task tells it
        for work in works:
            assert_kept(truth, work)
        assert_ran_at_most_once(truth, sum((work.claims for work in works), Counter[str]()))
        assert_created_once(truth, list(chain.from_iterable(work.requests for work in works)))
        for watch in watches:
            assert await watch.finish(truth) == []
