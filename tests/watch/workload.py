"""Writers: producers, runners and meddlers that keep a server busy, each with its own luck."""

import asyncio
import random
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from watch.history import REFUSALS, History
from watch.sites import Site

from idstatus.v1 import queue_service_pb2 as queue_pb
from idstatus.v1 import runner_service_pb2 as runner_pb
from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as pb

_LOST = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,  # a rule of the history speaks of it
)
# Of so many tasks a stubborn runner works for a while at one, in seconds, perhaps longer than its
# lease lasts; half of those it then forgets.
_FORGOTTEN, _ABSENT = 5, (0.3, 1.2)
_STRANGER = "the token of another"
READS = ("GetIdStatus", "GetTask", "ListTasks", "GetQueue")
# Of the last queue, a stubborn workload wants no more to run at once; it says so once.
_LIMIT = 2
# How often a report is sent: now and then a runner does not know whether it has arrived.
_REPORTS = (1, 1, 2)
COLOURS = ("red", "green", "blue")


class Workload:
    """Writes to some queues until each writer has done its steps.

    With ``stubborn`` it bears a server that dies or fails: it repeats its creations, with the
    same request ids, until they are acknowledged; its leases are short, and some run out. All
    that it was told is in the history.
    """

    def __init__(
        self,
        site: Site,
        queues: tuple[str, ...],
        seed: int = 0,
        *,
        stubborn: bool = False,
        history: History | None = None,
    ) -> None:
        self.site = site
        self.queues = queues
        self.stubborn = stubborn
        self.history = history or History()
        self.acks = 0
        self.enough = asyncio.Event()
        self._lease = Duration(seconds=1 if stubborn else 30)
        self._random = random.Random(seed)
        self._seed = seed
        self._ids: list[str] = []
        self._claimed = 0
        self._limited = False
        self._writing = 0

    async def run(
        self,
        steps: int,
        *,
        producers: int = 3,
        runners: int = 3,
        meddlers: int = 3,
        askers: int = 2,
    ) -> None:
        """Let all writers do their steps, or stop early once there is ``enough``."""
        roles = (
            ("producer", self._produce, producers),
            ("runner", self._work, runners),
            ("meddler", self._meddle, meddlers),
            ("asker", self._ask, askers),
        )

        async def write(step: Any) -> None:
            self._writing += 1
            try:
                for _ in range(steps):
                    if self.enough.is_set():
                        break
                    await step()
            finally:
                self._writing -= 1

        async with asyncio.TaskGroup() as group:
            for role, step, count in roles:
                for number in range(count):
                    group.create_task(write(step), name=f"{role} {self._seed}.{number}")

    async def acknowledged(self, more: int) -> None:
        """Return once so many more tasks were told of, or all writers are done."""
        goal = self.acks + more
        await asyncio.sleep(0)  # they may have to begin
        while self.acks < goal and not self.enough.is_set() and self._writing:
            await asyncio.sleep(0.001)

    # -- producers

    async def _produce(self) -> None:
        if self._random.random() < 0.2:
            request_id = self._request_id()
            batch = pb.BatchCreateTasksRequest(
                requests=[
                    self._new_task(f"{request_id}.{number}")
                    for number in range(self._random.randint(2, 12))
                ],
                request_id=request_id,
            )
            answer = await self._insist(batch)
            for task in answer.tasks if answer else ():
                self._ids.append(task.id)
        else:
            request = self._new_task(self._request_id())
            request.request_id = request.labels["request"]
            single = await self._insist(request)
            if single:
                self._ids.append(single.task.id)

    def _new_task(self, name: str) -> pb.CreateTaskRequest:
        luck = self._random
        request = pb.CreateTaskRequest(
            queue=luck.choice(self.queues),
            priority=luck.randint(0, 9),
            labels={"colour": luck.choice(COLOURS), "request": name},
            payload=luck.randbytes(luck.randint(0, 64)),
        )
        if luck.random() < 0.3:
            request.delay.CopyFrom(Duration(nanos=luck.randint(1, 200_000_000)))
        if luck.random() < 0.2:
            request.unique_key = f"key-{luck.randint(1, 3)}"
        if luck.random() < 0.6:
            request.retry_policy.max_retries = luck.randint(1, 3)
            request.retry_policy.retry_delay.CopyFrom(Duration(nanos=luck.choice((0, 50_000_000))))
        return request

    def _request_id(self) -> str:
        return f"{self.queues[0]}.{self._seed}.{self._random.getrandbits(64):x}"

    # -- runners

    async def _work(self) -> None:
        claim = runner_pb.ClaimTasksRequest(
            queues=self.queues,
            max_tasks=self._random.randint(1, 8),
            wait=Duration(nanos=50_000_000),
            lease_duration=self._lease,
        )
        claims = await self._try(claim)
        for claimed in claims.claims if claims else ():
            self._ids.append(claimed.task.id)
            await self._run(claimed)

    async def _run(self, claimed: runner_pb.Claim) -> None:
        self._claimed += 1
        lease = runner_pb.Lease(id=claimed.task.id, lease_token=claimed.lease_token)
        for _ in range(self._random.randint(0, 2)):
            if self._random.random() < 0.8:
                lease.progress.fraction = self._random.random()
            await self._extend(lease)
        if self.stubborn and self._claimed % _FORGOTTEN == 0:
            await asyncio.sleep(self._random.choice(_ABSENT))
            await self._extend(lease)
            if self._random.random() < 0.5:
                return
        if self._random.random() < 0.2:
            await self._cancel(claimed.task.id)
        report = self._report(lease)
        if self._random.random() < 0.1:
            await self._pretend(report)
        for _ in range(self._random.choice(_REPORTS)):
            await self._try(runner_pb.FinishTasksRequest(reports=[report]))
        if self._random.random() < 0.2:
            await self._try(runner_pb.FinishTasksRequest(reports=[self._report(lease)]))

    def _report(self, lease: runner_pb.Lease) -> runner_pb.Report:
        report = runner_pb.Report(id=lease.id, lease_token=lease.lease_token)
        if self._random.random() < 0.5:
            report.success.result = b"result of " + lease.id.encode()
        else:
            report.error.reason = self._random.choice(
                (task_pb2.REASON_KILLED, task_pb2.REASON_BAD_EXIT)
            )
        return report

    async def _pretend(self, report: runner_pb.Report) -> None:
        """Report, and extend, as one who does not hold the lease."""
        await self._extend(runner_pb.Lease(id=report.id, lease_token=_STRANGER))
        stranger = runner_pb.Report(id=report.id, lease_token=_STRANGER, success=report.success)
        await self._try(runner_pb.FinishTasksRequest(reports=[stranger]))

    async def _extend(self, lease: runner_pb.Lease) -> None:
        await self._try(runner_pb.ExtendLeasesRequest(leases=[lease]))

    # -- meddlers

    async def _meddle(self) -> None:
        if self.stubborn and not self._limited:
            queue = queue_pb.Queue(name=self.queues[-1], max_running=_LIMIT)
            answer = await self._try(queue_pb.UpdateQueueRequest(queue=queue))
            self._limited = answer is not None
        act = self._random.choice((self._cancel, self._retry, self._delete))
        await act(await self._any_id())

    async def _ask(self) -> None:
        one = await self._any_id()
        await self._try(
            self._random.choice(
                (
                    pb.GetIdStatusRequest(id=one),
                    pb.GetTaskRequest(id=one),
                    pb.ListTasksRequest(page_size=10),
                    queue_pb.GetQueueRequest(name=self.queues[-1]),
                )
            )
        )

    async def _any_id(self) -> str:
        """Return the id of one of the newest tasks, once there is one; or one that never was."""
        while not self._ids and not self.enough.is_set():
            await asyncio.sleep(0.001)
        return self._random.choice([*self._ids[-40:], "nobody"])

    async def _cancel(self, task_id: str) -> None:
        await self._try(pb.CancelTaskRequest(id=task_id))

    async def _retry(self, task_id: str) -> None:
        answer = await self._try(pb.RetryTaskRequest(id=task_id))
        if answer:
            self._ids.append(answer.task.id)

    async def _delete(self, task_id: str) -> None:
        await self._try(pb.DeleteTaskRequest(id=task_id))

    # -- calls

    async def _insist(self, request: Message) -> Any:
        """Repeat a call until it is answered, and now and then once more; None if refused."""
        while True:
            try:
                answer = await self._call(request)
                return await self._call(request) if self._random.random() < 0.1 else answer
            except grpc.aio.AioRpcError as error:
                if error.code() in REFUSALS:
                    return None
                await self._bear(error)

    async def _try(self, request: Message) -> Any:
        """Make one call; None if it was refused or the server is gone."""
        try:
            return await self._call(request)
        except grpc.aio.AioRpcError as error:
            if error.code() in REFUSALS:
                return None
            await self._bear(error)
            return None

    async def _call(self, request: Message) -> Any:
        operation = await self.history.call(self.site, request)
        if operation.what not in READS:
            self.acks += sum(1 for _ in operation.said())
        return operation.answer

    async def _bear(self, error: grpc.aio.AioRpcError) -> None:
        """Wait for a server that is gone, or that cannot reach its store."""
        if not self.stubborn or error.code() not in _LOST:
            raise error
        await asyncio.sleep(0.05)  # as it is told to
        await self.site.channel.channel_ready()
