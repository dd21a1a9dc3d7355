"""Workers are killed at random under load: the promises are those of one server."""

import random
from contextlib import AsyncExitStack

from faults.storm import Storm
from watch.sites import Site
from watch.truth import origin
from workers.crew import Crew

ROUNDS = 3
CONNECTIONS = 3  # each may get another worker


async def test_nothing_is_lost_torn_or_run_twice_while_workers_are_killed(crew: Crew) -> None:
    async with AsyncExitStack() as stack:
        sites = [
            await stack.enter_async_context(Site(crew.server.address)) for _ in range(CONNECTIONS)
        ]
        storm = Storm(sites, await origin(sites[0]), seed=1)
        for _ in range(ROUNDS):
            await storm.acknowledged(random.randint(10, 60))
            victim = random.choice(crew.workers)
            victim.kill()
            await crew.whole_again(without=victim)
        await storm.acknowledged(20)
        await storm.settle()
