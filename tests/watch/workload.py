"""Writers: producers, runners and meddlers that keep a server busy, each with its own luck."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable
from typing import Any, NamedTuple, TypeVar

import grpc
from google.protobuf.duration_pb2 import Duration
from watch.sites import Site

from idstatus.v1 import runner_service_pb2 as runner_pb
from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as pb

R = TypeVar("R")
_REFUSED = (
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
)
_LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN)
COLOURS = ("red", "green", "blue")


class Ack(NamedTuple):
    """A change that the server has acknowledged: the task and what it then was."""

    id: str
    revision: int
    status: int


class Workload:
    """Writes to some queues until each writer has done its steps.

    With ``stubborn`` it bears a server that dies: it repeats its creations, with the
    same request ids, until they are acknowledged. What was acknowledged is kept.
    """

    def __init__(
        self, site: Site, queues: tuple[str, ...], seed: int = 0, *, stubborn: bool = False
    ) -> None:
        self.site = site
        self.queues = queues
        self.stubborn = stubborn
        self.acks: list[Ack] = []
        self.deleted: set[str] = set()
        self.claims: Counter[str] = Counter()
        self.requests: list[str] = []
        self.enough = asyncio.Event()
        self._random = random.Random(seed)
        self._seed = seed
        self._ids: list[str] = []
        self._writing = 0

    async def run(
        self, steps: int, *, producers: int = 3, runners: int = 3, meddlers: int = 3
    ) -> None:
        """Let all writers do their steps, or stop early once there is ``enough``."""
        writers = [self._produce] * producers + [self._work] * runners + [self._meddle] * meddlers

        async def write(step: Any) -> None:
            self._writing += 1
            for _ in range(steps):
                if not self.enough.is_set():
                    await step()
            self._writing -= 1

        await asyncio.gather(*map(write, writers))

    async def acknowledged(self, more: int) -> None:
        """Return once so many more changes are acknowledged, or all writers are done."""
        goal = len(self.acks) + more
        while len(self.acks) < goal and not self.enough.is_set() and self._writing:
            one = pb.ListTasksRequest(page_size=1)
            await self._try(self.site.tasks.ListTasks(one, wait_for_ready=True))

    # -- producers

    async def _produce(self) -> None:
        if self._random.random() < 0.2:
            requests = [self._new_task() for _ in range(self._random.randint(2, 12))]
            batch = pb.BatchCreateTasksRequest(requests=requests, request_id=self._request_id())
            answer = await self._insist(lambda: self.site.tasks.BatchCreateTasks(batch))
            for task in answer.tasks if answer else ():
                self._created(task)
        else:
            request = self._new_task()
            request.request_id = self._request_id()
            request.labels["request"] = request.request_id
            single = await self._insist(lambda: self.site.tasks.CreateTask(request))
            if single:
                self.requests.append(request.request_id)
                self._created(single.task)

    def _new_task(self) -> pb.CreateTaskRequest:
        luck = self._random
        request = pb.CreateTaskRequest(
            queue=luck.choice(self.queues),
            priority=luck.randint(0, 9),
            labels={"colour": luck.choice(COLOURS)},
            payload=luck.randbytes(luck.randint(0, 64)),
        )
        if luck.random() < 0.3:
            request.delay.CopyFrom(Duration(nanos=luck.randint(1, 200_000_000)))
        if luck.random() < 0.6:
            request.retry_policy.max_retries = luck.randint(1, 3)
            request.retry_policy.retry_delay.CopyFrom(Duration(nanos=luck.choice((0, 50_000_000))))
        return request

    def _request_id(self) -> str:
        return f"{self.queues[0]}.{self._seed}.{self._random.getrandbits(64):x}"

    def _created(self, task: task_pb2.Task) -> None:
        self._ids.append(task.id)
        self._note(task)

    # -- runners

    async def _work(self) -> None:
        claim = runner_pb.ClaimTasksRequest(
            queues=self.queues,
            max_tasks=self._random.randint(1, 8),
            wait=Duration(nanos=50_000_000),
        )
        claims = await self._try(self.site.runners.ClaimTasks(claim))
        for claimed in claims.claims if claims else ():
            self.claims[claimed.task.id] += 1
            self._note(claimed.task)
            self._ids.append(claimed.task.id)
            await self._run(claimed)

    async def _run(self, claimed: runner_pb.Claim) -> None:
        lease = runner_pb.Lease(id=claimed.task.id, lease_token=claimed.lease_token)
        for _ in range(self._random.randint(0, 2)):
            lease.progress.fraction = self._random.random()
            extend = runner_pb.ExtendLeasesRequest(leases=[lease])
            await self._try(self.site.runners.ExtendLeases(extend))
        if self._random.random() < 0.2:
            await self._cancel(claimed.task.id)
        report = runner_pb.Report(id=claimed.task.id, lease_token=claimed.lease_token)
        if self._random.random() < 0.5:
            report.success.result = b"done"
        else:
            report.error.reason = self._random.choice(
                (task_pb2.REASON_KILLED, task_pb2.REASON_BAD_EXIT)
            )
        finish = runner_pb.FinishTasksRequest(reports=[report])
        answer = await self._try(self.site.runners.FinishTasks(finish))
        for result in answer.results if answer else ():
            if result.HasField("id_status"):
                self._note(result.id_status)

    # -- meddlers

    async def _meddle(self) -> None:
        if not self._ids:
            await self._try(self.site.tasks.ListTasks(pb.ListTasksRequest()))
            return
        task_id = self._random.choice(self._ids[-40:])
        act = self._random.choice((self._cancel, self._retry, self._delete))
        await act(task_id)

    async def _cancel(self, task_id: str) -> None:
        answer = await self._try(self.site.tasks.CancelTask(pb.CancelTaskRequest(id=task_id)))
        if answer:
            self._note(answer.id_status)

    async def _retry(self, task_id: str) -> None:
        answer = await self._try(self.site.tasks.RetryTask(pb.RetryTaskRequest(id=task_id)))
        if answer:
            self._created(answer.task)

    async def _delete(self, task_id: str) -> None:
        if await self._try(self.site.tasks.DeleteTask(pb.DeleteTaskRequest(id=task_id))):
            self.deleted.add(task_id)

    # -- calls

    def _note(self, said: task_pb2.Task | task_pb2.IdStatus) -> None:
        self.acks.append(Ack(said.id, said.revision, said.status))

    async def _insist(self, call: Any) -> Any:
        """Repeat a call until it is answered; None if it was refused."""
        while True:
            try:
                return await call()
            except grpc.aio.AioRpcError as error:
                if error.code() in _REFUSED:
                    return None
                await self._bear(error)

    async def _try(self, call: Awaitable[R]) -> R | None:
        """Await one call; None if it was refused or the server is gone."""
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            if error.code() in _REFUSED:
                return None
            await self._bear(error)
            return None

    async def _bear(self, error: grpc.aio.AioRpcError) -> None:
        """Wait for a server that is gone, or that cannot reach its store."""
        if not self.stubborn or error.code() not in _LOST:
            raise error
        await asyncio.sleep(0.05)  # as it is told to
        await self.site.channel.channel_ready()
