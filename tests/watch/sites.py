"""A connection to a server, and the reading of watches over it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Self, TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc import status_pb2
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo

from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as pb
from idstatus.v1.queue_service_pb2_grpc import QueueServiceStub
from idstatus.v1.runner_service_pb2_grpc import RunnerServiceStub
from idstatus.v1.task_service_pb2_grpc import TaskServiceStub

if TYPE_CHECKING:
    from idstatus.v1.queue_service_pb2_grpc import QueueServiceAsyncStub
    from idstatus.v1.runner_service_pb2_grpc import RunnerServiceAsyncStub
    from idstatus.v1.task_service_pb2_grpc import TaskServiceAsyncStub

# A server that was killed is found again soon; each site has a connection of its own.
_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 100),
    ("grpc.use_local_subchannel_pool", 1),
)
FULL_TASK = task_pb2.TASK_VIEW_FULL
_PATIENCE = 30.0
M = TypeVar("M", bound=Message)


class Site:
    """A channel to one server, with more options if need be, and its stubs."""

    tasks: "TaskServiceAsyncStub"
    runners: "RunnerServiceAsyncStub"
    queues: "QueueServiceAsyncStub"

    def __init__(self, address: str, *more: tuple[str, int]) -> None:
        self.address = address
        self.channel = grpc.aio.insecure_channel(address, options=(*_OPTIONS, *more))
        self.tasks = TaskServiceStub(self.channel)
        self.runners = RunnerServiceStub(self.channel)
        self.queues = QueueServiceStub(self.channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.channel.close()

    async def create(self, **fields: object) -> task_pb2.Task:
        """Create one task."""
        request = pb.CreateTaskRequest(**fields)  # type: ignore[arg-type]
        return (await self.tasks.CreateTask(request, wait_for_ready=True)).task

    async def create_many(self, count: int, **fields: object) -> list[task_pb2.Task]:
        """Create tasks that are alike, a thousand or 8 MiB in one commit."""
        one = pb.CreateTaskRequest(**fields)  # type: ignore[arg-type]
        at_once = min(1000, (8 << 20) // max(1, one.ByteSize()))
        made: list[task_pb2.Task] = []
        while len(made) < count:
            request = pb.BatchCreateTasksRequest(requests=[one] * min(at_once, count - len(made)))
            made += (await self.tasks.BatchCreateTasks(request)).tasks
        return made

    async def status(self, task_id: str) -> task_pb2.IdStatus:
        """Tell what became of a task."""
        return (await self.tasks.GetIdStatus(pb.GetIdStatusRequest(id=task_id))).id_status

    async def cancel(self, *ids: str) -> None:
        """Cancel tasks in one commit."""
        await self.tasks.BatchCancelTasks(pb.BatchCancelTasksRequest(ids=ids))

    async def delete(self, task_id: str) -> None:
        """Delete a task."""
        await self.tasks.DeleteTask(pb.DeleteTaskRequest(id=task_id))

    async def read(
        self,
        request: pb.WatchTasksRequest,
        enough: "Callable[[Reading], bool]" = lambda _: False,
        patience: float = _PATIENCE,
        pace: "Callable[[], Awaitable[None]] | None" = None,
    ) -> "Reading":
        """Read a watch until it ends or there is enough; ``pace`` is awaited after each message."""
        return await self._read(Reading(request), enough, patience, pace)

    async def begin(self, request: pb.WatchTasksRequest) -> "asyncio.Task[Reading]":
        """Read a watch in the background until it ends; return once it has begun."""
        reading = Reading(request)
        job = asyncio.create_task(self._read(reading, lambda _: False))
        begun = asyncio.create_task(reading.begun.wait())
        await asyncio.wait((job, begun), return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        return job

    async def _read(
        self,
        reading: "Reading",
        enough: "Callable[[Reading], bool]",
        patience: float = _PATIENCE,
        pace: "Callable[[], Awaitable[None]] | None" = None,
    ) -> "Reading":
        call = self.tasks.WatchTasks(reading.request, wait_for_ready=True)
        try:
            async with asyncio.timeout(patience):
                async for message in call:
                    reading.take(message)
                    if enough(reading):
                        return reading
                    if pace:
                        await pace()
            reading.code = await call.code()
        except grpc.aio.AioRpcError as error:
            reading.fail(error)
        except TimeoutError:
            raise AssertionError(f"after {patience:g} s: {reading}") from None
        finally:
            call.cancel()
        return reading


class Reading:
    """What came of one stream of a watch, and how it ended (None: it was left)."""

    def __init__(self, request: pb.WatchTasksRequest) -> None:
        self.request = request
        self.messages: list[pb.WatchTasksResponse] = []
        self.times: list[float] = []
        self.code: grpc.StatusCode | None = None
        self.error: grpc.aio.AioRpcError | None = None
        self.revision = 0
        self.complete = False
        self.begun = asyncio.Event()

    def __repr__(self) -> str:
        return f"<{len(self.messages)} messages up to {self.revision}, {self.code}>"

    def take(self, message: pb.WatchTasksResponse) -> None:
        """Take a message."""
        self.messages.append(message)
        self.times.append(time.monotonic())
        self.complete = self.complete or message.snapshot_complete
        if self.complete or self.request.resume_token:
            self.begun.set()
        for change in message.changes:
            self.revision = max(self.revision, change.id_status.revision)

    def fail(self, error: grpc.aio.AioRpcError) -> None:
        """Take note of how it failed."""
        self.code, self.error = error.code(), error

    @property
    def token(self) -> str:
        """The last token."""
        return self.messages[-1].resume_token if self.messages else self.request.resume_token

    @property
    def changes(self) -> list[pb.TaskChange]:
        """All changes, flat."""
        return [change for message in self.messages for change in message.changes]

    @property
    def info(self) -> ErrorInfo:
        """The ErrorInfo of the error."""
        return detail(self.error, ErrorInfo)

    @property
    def retry_info(self) -> RetryInfo:
        """The RetryInfo of the error."""
        return detail(self.error, RetryInfo)


def detail(error: grpc.aio.AioRpcError | None, kind: type[M]) -> M:
    """Return one kind of detail of an error, empty if it has none."""
    found = kind()
    for key, value in error.trailing_metadata() or () if error else ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            status = status_pb2.Status.FromString(value)
            any(packed.Unpack(found) for packed in status.details)
    return found


def resumed(request: pb.WatchTasksRequest, token: str) -> pb.WatchTasksRequest:
    """Return the request that goes on from a token."""
    again = pb.WatchTasksRequest()
    again.CopyFrom(request)
    again.resume_token = token
    return again
