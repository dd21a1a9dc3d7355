"""Work and watches at one or more servers at once, to be struck by faults."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from faults.rules import check_history, created_together
from faults.survivor import Survivor
from watch.following import request_for
from watch.history import History
from watch.sites import Site
from watch.truth import Truth, Violation, list_tasks, read_log
from watch.workload import Workload

from idstatus.v1 import task_pb2

QUEUES = ("one", "two")
# Within so many seconds all leases must be over: they last a second each, but a clock that is set
# back makes them longer, and so does downtime.
_EXPIRED = 60.0
EVERYTHING = task_pb2.TaskFilter()
# What is watched, after how many messages a watch goes elsewhere, and how slow it is.
WATCHES = (
    (EVERYTHING, 0, 0.0),
    (EVERYTHING, 1, 0.0),
    (EVERYTHING, 0, 0.05),
    (task_pb2.TaskFilter(queues=["one"]), 0, 0.0),
    (task_pb2.TaskFilter(queues=["two"]), 3, 0.0),
    (task_pb2.TaskFilter(statuses=[task_pb2.STATUS_QUEUED, task_pb2.STATUS_ERROR]), 3, 0.0),
    (task_pb2.TaskFilter(labels={"colour": "red"}), 0, 0.0),
)
# Those that also begin amid the work have a state to begin with.
JOINING = WATCHES[3:6]


class Storm:
    """Writers at each of the servers, and watches that hop from one to another.

    ``start`` is the token of the store while it was empty, and ``since`` the revision. ``truth`` is
    there once there is a verdict.
    """

    truth: Truth

    def __init__(self, sites: Sequence[Site], start: str, seed: int, since: int = 0) -> None:
        self.history = History()
        self.works = [
            Workload(site, QUEUES, 100 * seed + i, stubborn=True, history=self.history)
            for i, site in enumerate(sites)
        ]
        self._sites = sites
        self.watches = self._watching(WATCHES)
        # Each of these stays with its server, whatever happens to it.
        self.watches += [Survivor([site], request_for(EVERYTHING)) for site in sites[1:]]
        self._start = start, since
        self._working = [asyncio.create_task(work.run(10_000)) for work in self.works]
        self._joined = False

    async def acknowledged(self, more: int, *numbers: int) -> None:
        """Return once so many more changes are acknowledged at each server, or at each of these."""
        works = [self.works[number] for number in numbers] or self.works
        await asyncio.gather(*(work.acknowledged(more) for work in works))
        if not self._joined:
            self._joined = True
            self.watches += self._watching(JOINING)

    def _watching(self, wanted: Sequence[tuple[task_pb2.TaskFilter, int, float]]) -> list[Survivor]:
        return [
            Survivor(self._sites, request_for(what), hops, pause) for what, hops, pause in wanted
        ]

    async def calm(self) -> None:
        """End the work, and wait until the server has given up the tasks that were forgotten."""
        for work in self.works:
            work.enough.set()
        await asyncio.gather(*self._working)
        running = task_pb2.TaskFilter(statuses=[task_pb2.STATUS_RUNNING])
        async with asyncio.timeout(_EXPIRED):
            while await list_tasks(self._sites[0], running):
                await asyncio.sleep(0.05)

    async def verdict(self) -> list[Violation]:
        """Return every promise that was broken, once the work has ended."""
        truth, kept = await read_log(self._sites[0], *self._start)
        self.truth = truth
        found = [*truth.faults(kept), *check_history(self.history, truth)]
        units = list(created_together(self.history))
        finished = (watch.finish(truth, units) for watch in self.watches)
        for breaches in await asyncio.gather(*finished):
            found += breaches
        return found

    async def settle(self) -> None:
        """End the work, and hold all promises against what became of it."""
        await self.calm()
        broken = await self.verdict()
        assert not broken, f"{broken[:5]}: the history is in {self.written()}"

    def written(self) -> Path:
        """Write the history down, for those who look into a failure."""
        with tempfile.NamedTemporaryFile(prefix="history-", suffix=".jsonl", delete=False) as file:
            path = Path(file.name)
        self.history.write(path)
        return path
