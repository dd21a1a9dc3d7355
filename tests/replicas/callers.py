"""Callers of each kind and watchers, all through the client package, at restarting servers."""

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress

from faults.rules import made_otherwise, run_twice
from running import runner_of
from watch.truth import Truth

from idstatus import (
    AsyncClient,
    FailedPreconditionError,
    IdStatus,
    Success,
    Task,
    TaskContext,
    WaitTimeoutError,
)
from idstatus.models import wire

# The queue of those who claim call by call, and the runners' own.
CALLS, RUNS = "calls", "runs"
# Who asks for a task, waits for one or cancels one takes one of the newest.
_NEWEST = 30


class Callers:
    """They work at full speed until they are stopped; whatever fails for one of them is raised.

    They retry nothing themselves: that is left to the package and its published policy.
    """

    def __init__(self, clients: Sequence[AsyncClient], start: str) -> None:
        self._told: list[IdStatus | Task] = []
        self._requests: list[str] = []
        self._runs: Counter[str] = Counter()
        self._seen: list[list[int]] = [[] for _ in clients]
        self._tasks: list[Task] = []
        self._random = random.Random(1)
        self._enough = asyncio.Event()
        self._runners = [runner_of(at, self._handle, RUNS, capacity=4) for at in clients]
        kinds = (self._create, self._read, self._cancel, self._claim, self._wait)
        self._working = [
            asyncio.create_task(work)
            for work in (
                *(self._repeat(kind, at) for at in clients for kind in kinds),
                *(runner.run() for runner in self._runners),
            )
        ]
        self._watching = [
            asyncio.create_task(self._watch(at, start, seen))
            for at, seen in zip(clients, self._seen, strict=True)
        ]

    async def answered(self, more: int) -> None:
        """Return once so many more changes were answered."""
        goal = len(self._told) + more
        while len(self._told) < goal:
            for job in (*self._working, *self._watching):
                if job.done():
                    job.result()
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Let all but the watchers come to their end."""
        self._enough.set()
        for runner in self._runners:
            runner.stop()
        await asyncio.gather(*self._working)

    async def check(self, truth: Truth) -> None:
        """Let the watchers see the end of the truth, and hold all that was told against it."""
        revisions = [entry.revision for entry in truth.entries]
        while any(seen[-1:] != revisions[-1:] for seen in self._seen):
            await asyncio.sleep(0.01)
        for watch in self._watching:
            watch.cancel()
        assert self._seen == [revisions] * len(self._seen)
        for told in self._told:
            task = truth.by_revision[told.revision].task
            assert (task.id, task.status) == (told.id, wire.STATUS.encode(told.status))
        assert [*run_twice(self._runs, truth), *made_otherwise(self._requests, truth)] == []

    # -- the callers

    async def _repeat(
        self, kind: Callable[[AsyncClient], Awaitable[None]], at: AsyncClient
    ) -> None:
        await self._create(at)  # so that there is one to ask for
        while not self._enough.is_set():
            await kind(at)

    def _any(self) -> Task:
        return self._random.choice(self._tasks[-_NEWEST:])

    async def _create(self, at: AsyncClient) -> None:
        name = uuid.uuid4().hex
        queue = self._random.choice((CALLS, RUNS))
        task = await at.create(b"payload", queue=queue, labels={"request": name})
        self._requests.append(name)
        self._told.append(task)
        self._tasks.append(task)

    async def _read(self, at: AsyncClient) -> None:
        task = self._any()
        assert (await at.status(task.id)).revision >= task.revision

    async def _cancel(self, at: AsyncClient) -> None:
        with suppress(FailedPreconditionError):  # it has ended by itself
            self._told.append(await at.cancel(self._any().id))
        with suppress(FailedPreconditionError):  # it has not ended, or was retried
            task = await at.retry(self._any().id)
            self._told.append(task)

    async def _claim(self, at: AsyncClient) -> None:
        claims = await at.claim([CALLS], max_tasks=3, wait=0.1)
        self._runs.update(claim.task.id for claim in claims)
        self._told += [claim.task for claim in claims]
        if claims:
            results = await at.finish([claim.report(Success()) for claim in claims])
            self._told += [result for result in results if isinstance(result, IdStatus)]

    async def _wait(self, at: AsyncClient) -> None:
        with suppress(WaitTimeoutError):
            self._told.append(await at.wait(self._any().id, timeout=0.2))

    async def _handle(self, context: TaskContext) -> None:
        self._runs[context.task.id] += 1

    async def _watch(self, at: AsyncClient, start: str, seen: list[int]) -> None:
        async with aclosing(at.watch_batches(resume_token=start)) as batches:
            async for batch in batches:
                seen += [change.id_status.revision for change in batch.changes]
