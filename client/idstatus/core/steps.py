"""Sans-I/O: a use of the service is a generator that yields what is to be done.

It says "make this call", is sent the response (or thrown the error), and goes on. Two drivers
do what it says, one blocking and one on an event loop, so each use is written once and can be
tested without a network.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

import grpc
import grpc.aio

from idstatus.channel import Endpoint
from idstatus.models.wire import Duration, seconds
from idstatus.v1.queue_service_pb2_grpc import QueueServiceStub
from idstatus.v1.runner_service_pb2_grpc import RunnerServiceStub
from idstatus.v1.task_service_pb2_grpc import TaskServiceStub

T = TypeVar("T")
Request = TypeVar("Request")
Response = TypeVar("Response")


class Stubs:
    """The three services on one channel; blocking or awaitable as the channel is."""

    def __init__(self, channel: Any) -> None:
        self.tasks = TaskServiceStub(channel)
        self.runners = RunnerServiceStub(channel)
        self.queues = QueueServiceStub(channel)


@dataclass(frozen=True, slots=True)
class UnaryCall:
    """Make a call; sent its response."""

    method: Callable[[Stubs], Any]
    request: Any
    timeout: float | None
    """In seconds; None: the client's default."""


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Begin a call that answers with a stream; sent the call."""

    method: Callable[[Stubs], Any]
    request: Any


@dataclass(frozen=True, slots=True)
class ReadStream:
    """Read one message of a stream; sent the message, or None after an end with OK."""

    call: Any


@dataclass(frozen=True, slots=True)
class Sleep:
    """Do nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """Hand this to the user; sent nothing."""

    value: T


Effect: TypeAlias = UnaryCall | OpenStream | ReadStream | Sleep
Steps: TypeAlias = Generator[Effect, Any, T]
"""A use that returns one T."""
ItemSteps: TypeAlias = Generator[Effect | Item[T], Any, None]
"""A use that yields many T."""


class Methods:
    """Base of the groups of methods that a client is made of."""

    endpoint: Endpoint
    timeout: float
    """The default deadline of a call, in seconds."""


def rpc(
    method: "Callable[[Stubs], grpc.UnaryUnaryMultiCallable[Request, Response]]",
    request: Request,
    timeout: Duration | None,
) -> Steps[Response]:
    """Make a unary call and return its response."""
    limit = None if timeout is None else seconds(timeout)
    response: Response = yield UnaryCall(method, request, limit)
    return response
