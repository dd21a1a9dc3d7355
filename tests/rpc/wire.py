"""What the tests over the wire share: a thin hand on each method, and eyes for its errors."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
import pytest
from google.longrunning.operations_pb2_grpc import OperationsStub
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status as RpcStatus
from grpc_health.v1.health_pb2_grpc import HealthStub

from idstatus.v1 import queue_service_pb2 as q
from idstatus.v1 import runner_service_pb2 as r
from idstatus.v1 import task_pb2 as m
from idstatus.v1 import task_service_pb2 as t
from idstatus.v1.queue_service_pb2_grpc import QueueServiceStub
from idstatus.v1.runner_service_pb2_grpc import RunnerServiceStub
from idstatus.v1.task_service_pb2_grpc import TaskServiceStub

# Longer than anything takes that works, shorter than a tester's patience.
PATIENCE = 15.0


@dataclass(frozen=True)
class Refusal:
    """An error as it came over the wire."""

    code: str
    reason: str
    domain: str = "idstatus"
    metadata: dict[str, str] = field(default_factory=dict)
    violations: dict[str, list[str]] = field(default_factory=dict)
    retry_after: float | None = None
    message: str = ""

    @property
    def kind(self) -> tuple[str, str]:
        """Its code and its reason, if it is ours; whatever else it says."""
        assert self.domain == "idstatus"
        return self.code, self.reason

    @property
    def fields(self) -> list[str]:
        """The fields at fault, one for each violation."""
        return [name for name, faults in self.violations.items() for _ in faults]


def refusal_of(status: RpcStatus) -> Refusal:
    """Read an error; it must be whole and know each kind of detail once at most."""
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    info, bad, retry = ErrorInfo(), BadRequest(), RetryInfo()
    kinds: tuple[Any, ...] = (info, bad, retry)
    violations: dict[str, list[str]] = {}
    for kind in kinds:
        found = [detail for detail in status.details if detail.Is(kind.DESCRIPTOR)]
        assert len(found) <= 1
        if found:
            found[0].Unpack(kind)
    for violation in bad.field_violations:
        assert violation.description
        violations.setdefault(violation.field, []).append(violation.description)
    delay = retry.retry_delay
    after = delay.seconds + delay.nanos / 1e9 if retry.HasField("retry_delay") else None
    assert status.message
    return Refusal(
        code.name,
        info.reason,
        info.domain,
        dict(info.metadata),
        violations,
        after,
        status.message,
    )


def rich(error: grpc.aio.AioRpcError) -> Refusal:
    """Read the error of a call that failed."""
    details: Any
    for key, details in error.trailing_metadata():
        if key == "grpc-status-details-bin":
            refusal = refusal_of(RpcStatus.FromString(details))
            assert (refusal.code, refusal.message) == (error.code().name, error.details())
            return refusal
    return Refusal(error.code().name, "", "", message=error.details() or "")


async def refused(call: Awaitable[object]) -> Refusal:
    """Return how a call was refused."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async with asyncio.timeout(PATIENCE):
            await call
    return rich(caught.value)


async def outcome(call: Awaitable[Any]) -> Any:
    """Return a call's answer or its refusal, whichever it was."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        return rich(error)


def seconds(value: float) -> Duration:
    """Return a duration."""
    duration = Duration()
    duration.FromNanoseconds(round(value * 1e9))
    return duration


def instant(value: float) -> Timestamp:
    """Return a time, given in seconds since the Unix epoch."""
    stamp = Timestamp()
    stamp.FromNanoseconds(round(value * 1e9))
    return stamp


def span(value: Duration | Timestamp) -> float:
    """Return a duration or a time in seconds."""
    return value.seconds + value.nanos / 1e9


def micros(value: Duration | Timestamp) -> int:
    """Return a duration or a time in microseconds, exactly."""
    assert value.nanos % 1000 == 0
    return value.seconds * 1_000_000 + value.nanos // 1000


async def until(condition: Callable[[], Awaitable[Any]], *, within: float = PATIENCE) -> Any:
    """Ask until the answer is true, and return it."""
    ends = time.monotonic() + within
    while not (answer := await condition()):
        assert time.monotonic() < ends, "it did not come to pass"
        await asyncio.sleep(0.02)
    return answer


def copy(message: Any, **fields: object) -> Any:
    """Return a message with other values in some fields."""
    other = type(message)()
    other.CopyFrom(message)
    for name in fields:
        other.ClearField(name)
    other.MergeFrom(type(message)(**fields))
    return other


class Api:
    """The services behind one channel; ``create`` and its like return what is inside."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.tasks: Any = TaskServiceStub(channel)
        self.runners: Any = RunnerServiceStub(channel)
        self.queues: Any = QueueServiceStub(channel)
        self.operations: Any = OperationsStub(channel)
        self.health: Any = HealthStub(channel)

    @classmethod
    @asynccontextmanager
    async def at(cls, address: str) -> AsyncIterator[Self]:
        """Connect; a channel of its own even if another one goes to the same place."""
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.initial_reconnect_backoff_ms", 50)]
        async with grpc.aio.insecure_channel(address, options=options) as channel:
            async with asyncio.timeout(PATIENCE):
                await channel.channel_ready()
            yield cls(channel)

    # -- TaskService

    async def create(self, queue: str = "", **fields: Any) -> m.Task:
        answer: t.CreateTaskResponse = await self.tasks.CreateTask(
            t.CreateTaskRequest(queue=queue, **fields)
        )
        return answer.task

    async def batch(self, *requests: t.CreateTaskRequest, request_id: str = "") -> list[m.Task]:
        request = t.BatchCreateTasksRequest(requests=requests, request_id=request_id)
        answer: t.BatchCreateTasksResponse = await self.tasks.BatchCreateTasks(request)
        return list(answer.tasks)

    async def create_many(self, count: int, queue: str, **fields: Any) -> list[m.Task]:
        return await self.batch(*[t.CreateTaskRequest(queue=queue, **fields)] * count)

    async def get(self, task_id: str, view: Any = 0) -> m.Task:
        answer: t.GetTaskResponse = await self.tasks.GetTask(
            t.GetTaskRequest(id=task_id, view=view)
        )
        return answer.task

    async def status(self, task_id: str) -> m.IdStatus:
        answer: t.GetIdStatusResponse = await self.tasks.GetIdStatus(
            t.GetIdStatusRequest(id=task_id)
        )
        return answer.id_status

    async def explain(self, task_id: str) -> t.ExplainTaskResponse:
        answer: t.ExplainTaskResponse = await self.tasks.ExplainTask(
            t.ExplainTaskRequest(id=task_id)
        )
        return answer

    async def cancel(self, task_id: str, **fields: Any) -> m.IdStatus:
        answer: t.CancelTaskResponse = await self.tasks.CancelTask(
            t.CancelTaskRequest(id=task_id, **fields)
        )
        return answer.id_status

    async def cancel_batch(self, **fields: Any) -> t.BatchCancelTasksResponse:
        answer: t.BatchCancelTasksResponse = await self.tasks.BatchCancelTasks(
            t.BatchCancelTasksRequest(**fields)
        )
        return answer

    async def retry(self, task_id: str, **fields: Any) -> m.Task:
        answer: t.RetryTaskResponse = await self.tasks.RetryTask(
            t.RetryTaskRequest(id=task_id, **fields)
        )
        return answer.task

    async def delete(self, task_id: str) -> None:
        await self.tasks.DeleteTask(t.DeleteTaskRequest(id=task_id))

    async def wait(self, task_id: str, wait: float = PATIENCE, view: Any = 0) -> m.Task:
        answer: t.WaitTaskResponse = await self.tasks.WaitTask(
            t.WaitTaskRequest(id=task_id, wait=seconds(wait), view=view)
        )
        return answer.task

    async def page(self, **fields: Any) -> t.ListTasksResponse:
        answer: t.ListTasksResponse = await self.tasks.ListTasks(t.ListTasksRequest(**fields))
        return answer

    async def every(self, **fields: Any) -> list[m.Task]:
        """All pages."""
        page = await self.page(**fields)
        found = list(page.tasks)
        while page.next_page_token:
            page = await self.page(**{**fields, "page_token": page.next_page_token})
            found += page.tasks
        return found

    # -- RunnerService

    async def claim(self, *queues: str, wait: float | None = None, **fields: Any) -> list[r.Claim]:
        if wait is not None:
            fields["wait"] = seconds(wait)
        answer: r.ClaimTasksResponse = await self.runners.ClaimTasks(
            r.ClaimTasksRequest(queues=queues, **fields)
        )
        return list(answer.claims)

    async def run_one(self, queue: str, *, lease: float = 30, **fields: Any) -> r.Claim:
        """Create a task in an empty queue and claim it."""
        created = await self.create(queue, **fields)
        (claim,) = await self.claim(queue, lease_duration=seconds(lease), runner="r1")
        assert claim.task.id == created.id
        return claim

    async def extend(self, *leases: r.Lease) -> list[r.LeaseResult]:
        answer: r.ExtendLeasesResponse = await self.runners.ExtendLeases(
            r.ExtendLeasesRequest(leases=leases)
        )
        return list(answer.results)

    async def finish_all(self, *reports: r.Report) -> list[m.IdStatus | Refusal]:
        answer: r.FinishTasksResponse = await self.runners.FinishTasks(
            r.FinishTasksRequest(reports=reports)
        )
        return [
            result.id_status if result.HasField("id_status") else refusal_of(result.error)
            for result in answer.results
        ]

    async def finish(self, claim: r.Claim, **outcome: Any) -> m.IdStatus | Refusal:
        (result,) = await self.finish_all(report(claim, **outcome))
        return result

    async def succeed(self, claim: r.Claim, result: bytes = b"") -> m.IdStatus:
        done = await self.finish(claim, success=m.Success(result=result))
        assert isinstance(done, m.IdStatus)
        return done

    async def fail(
        self, claim: r.Claim, reason: Any = m.REASON_BAD_EXIT, **fields: Any
    ) -> m.IdStatus:
        done = await self.finish(claim, error=m.Failure(reason=reason, **fields))
        assert isinstance(done, m.IdStatus)
        return done

    # -- QueueService

    async def queue(self, name: str) -> q.Queue:
        answer: q.GetQueueResponse = await self.queues.GetQueue(q.GetQueueRequest(name=name))
        return answer.queue

    async def update_queue(
        self, name: str, *, mask: Sequence[str] | None = None, **fields: Any
    ) -> q.Queue:
        request = q.UpdateQueueRequest(queue=q.Queue(name=name, **fields))
        if mask is not None:
            request.update_mask.paths.extend(mask)
        answer: q.UpdateQueueResponse = await self.queues.UpdateQueue(request)
        return answer.queue

    async def settle(self) -> None:
        """Return once the calls that were begun before have reached the server."""
        for _ in range(3):
            await asyncio.sleep(0)
        await self.page(page_size=1)

    async def raw(self, method: str, data: bytes) -> bytes:
        """Send bytes as they are; ``method`` is Service/Method, with the package."""
        call: Any = self.channel.unary_unary(f"/{method}")
        return bytes(await call(data))


def report(claim: r.Claim, *, token: str | None = None, **outcome: Any) -> r.Report:
    """Return a report on a claimed task."""
    token = claim.lease_token if token is None else token
    return r.Report(id=claim.task.id, lease_token=token, **outcome)


def lease(claim: r.Claim, **fields: Any) -> r.Lease:
    """Return a claimed task's lease."""
    return r.Lease(id=claim.task.id, lease_token=claim.lease_token, **fields)


def new(queue: str = "", **fields: Any) -> t.CreateTaskRequest:
    """Return a request to create a task."""
    return t.CreateTaskRequest(queue=queue, **fields)


def names(messages: Sequence[Any]) -> list[str]:
    """Return the ids of tasks, statuses or claims."""
    return [message.task.id if isinstance(message, r.Claim) else message.id for message in messages]


def unset(message: Message, *fields: str) -> bool:
    """Tell whether none of the fields is set."""
    present = {descriptor.name for descriptor, _ in message.ListFields()}
    return not present.intersection(fields)
