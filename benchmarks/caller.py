"""A process that calls a server: python caller.py ADDRESS WHAT CALLERS SECONDS.

It says "ready", waits for a line, works, and prints one line of JSON.
"""

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from idstatus.v1 import runner_service_pb2 as r
from idstatus.v1 import task_service_pb2 as t
from idstatus.v1.runner_service_pb2_grpc import RunnerServiceStub
from idstatus.v1.task_pb2 import Success, TaskFilter
from idstatus.v1.task_service_pb2_grpc import TaskServiceStub

PAYLOAD = b"\x5a" * 1024
BATCH = 100
WATCHERS = 50
_ONE = t.CreateTaskRequest(queue="q", payload=PAYLOAD, labels={"kind": "bench"})


class Caller:
    """What is called, and how many tasks, or deliveries, came of it."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._tasks: Any = TaskServiceStub(channel)
        self._runners: Any = RunnerServiceStub(channel)
        self._ids: list[str] = []
        self._turn = 0
        self.delivered = 0

    async def prepare(self, what: str) -> None:
        """Make what the calls need."""
        if what == "get":
            self._ids = [task.id for task in (await self._create(BATCH * 10)).tasks]
        elif what == "finish":
            for _ in range(15):
                await self._create(BATCH * 10)
        elif what == "watch":
            request = t.WatchTasksRequest(skip_snapshot=True, filter=TaskFilter(queues=["q"]))
            begun = [asyncio.Event() for _ in range(WATCHERS)]
            self._jobs = [asyncio.create_task(self._follow(request, event)) for event in begun]
            await asyncio.gather(*(event.wait() for event in begun))

    async def _follow(self, request: t.WatchTasksRequest, begun: asyncio.Event) -> None:
        async for message in self._tasks.WatchTasks(request):
            begun.set()
            self.delivered += len(message.changes)

    async def _create(self, count: int) -> Any:
        request = t.BatchCreateTasksRequest(requests=[_ONE] * count, request_id=str(uuid.uuid4()))
        return await self._tasks.BatchCreateTasks(request, timeout=60)

    async def create(self) -> int:
        """Create one task."""
        request = t.CreateTaskRequest(
            queue="q", payload=PAYLOAD, labels={"kind": "bench"}, request_id=str(uuid.uuid4())
        )
        await self._tasks.CreateTask(request, timeout=60)
        return 1

    async def batch(self) -> int:
        """Create many in one call."""
        return len((await self._create(BATCH)).tasks)

    async def finish(self) -> int:
        """Claim many and report them."""
        request = r.ClaimTasksRequest(queues=["q"], max_tasks=BATCH, runner="bench")
        claims = (await self._runners.ClaimTasks(request, timeout=60)).claims
        assert claims, "more tasks have to be made beforehand"
        reports = [
            r.Report(id=claim.task.id, lease_token=claim.lease_token, success=Success())
            for claim in claims
        ]
        await self._runners.FinishTasks(r.FinishTasksRequest(reports=reports), timeout=60)
        return len(claims)

    async def get(self) -> int:
        """Ask for one task."""
        self._turn += 1
        task_id = self._ids[self._turn % len(self._ids)]
        await self._tasks.GetTask(t.GetTaskRequest(id=task_id), timeout=60)
        return 1

    async def watch(self) -> int:
        """Create many while others watch; what counts is what they are told."""
        before = self.delivered
        await self._create(BATCH)
        while self.delivered < before + BATCH * WATCHERS:
            await asyncio.sleep(0.001)
        return BATCH * WATCHERS


async def main() -> None:
    """Call until the time is over."""
    address, what, callers, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    async with grpc.aio.insecure_channel(address) as channel:
        caller = Caller(channel)
        act: Callable[[], Awaitable[int]] = getattr(caller, what)
        await caller.prepare(what)
        for _ in range(10):
            await act()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        took: list[float] = []
        done = 0
        start, cpu = time.perf_counter(), time.process_time()

        async def call() -> None:
            nonlocal done
            while (now := time.perf_counter()) < start + seconds:
                count = await act()  # apart from the sum, which others change meanwhile
                done += count
                took.append(time.perf_counter() - now)

        await asyncio.gather(*(call() for _ in range(callers)))
        spent = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}
        print(json.dumps({**spent, "tasks": done, "latencies": took}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
