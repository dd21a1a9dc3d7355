"""Work and watches at several servers at once, to be struck by a fault."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from faults.promises import assert_created_once, assert_kept, assert_ran_at_most_once
from faults.survivor import Survivor
from watch.following import request_for
from watch.sites import Site
from watch.truth import Truth, read_truth
from watch.workload import Workload

from idstatus.v1 import task_pb2

QUEUES = ("one", "two")
EVERYTHING = task_pb2.TaskFilter()
FILTERS = (
    (EVERYTHING, 0),
    (EVERYTHING, 1),
    (task_pb2.TaskFilter(queues=["one"]), 0),
    (task_pb2.TaskFilter(statuses=[task_pb2.STATUS_QUEUED, task_pb2.STATUS_ERROR]), 3),
)


class Storm:
    """Writers at each of the servers, and watches that hop from one to another."""

    def __init__(self, sites: Sequence[Site], start: str, seed: int) -> None:
        self.works = [
            Workload(site, QUEUES, 100 * seed + i, stubborn=True) for i, site in enumerate(sites)
        ]
        self.watches = [Survivor(sites, request_for(f), hops) for f, hops in FILTERS]
        # Each of these stays with its server, whatever happens to it.
        self.watches += [Survivor([site], request_for(EVERYTHING)) for site in sites]
        self._sites = sites
        self._start = start
        self._working = [asyncio.create_task(work.run(10_000)) for work in self.works]

    async def acknowledged(self, more: int, *numbers: int) -> None:
        """Return once so many more changes are acknowledged at each server, or at each of these."""
        works = [self.works[number] for number in numbers] or self.works
        await asyncio.gather(*(work.acknowledged(more) for work in works))

    async def settle(self) -> Truth:
        """End the work, and hold all promises against the truth."""
        for work in self.works:
            work.enough.set()
        await asyncio.gather(*self._working)
        truth = await read_truth(self._sites[0], self._start)
        for work in self.works:
            assert_kept(truth, work)
            assert_created_once(truth, work.requests)
        assert_ran_at_most_once(truth, sum((work.claims for work in self.works), Counter()))
        for watch in self.watches:
            assert await watch.finish(truth) == []
        return truth
