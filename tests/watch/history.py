"""What each one was told and when: every operation of a workload as a record."""

import asyncio
import json
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import ErrorInfo
from watch.sites import Site, detail
from watch.truth import Said

from idstatus.v1 import queue_service_pb2, runner_service_pb2, task_service_pb2

REFUSALS = (
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
)
CREATIONS = ("CreateTask", "BatchCreateTasks")
_SERVICES = (
    task_service_pb2.DESCRIPTOR.services_by_name["TaskService"],
    runner_service_pb2.DESCRIPTOR.services_by_name["RunnerService"],
    queue_service_pb2.DESCRIPTOR.services_by_name["QueueService"],
)
_RPCS: dict[str, MethodDescriptor] = {
    rpc.name: rpc for service in _SERVICES for rpc in service.methods
}


@dataclass(slots=True)
class Operation:
    """One call: who made it, and what was answered. Times are monotonic, in seconds.

    It has an answer, or it was refused: then ``error`` is the reason. Else nobody knows what
    became of it, or when: ``returned`` stays infinite, and ``error`` says what came instead.
    """

    who: str
    what: str
    request: Any
    invoked: float
    returned: float = math.inf
    answer: Any = None
    error: str = ""

    @property
    def is_known(self) -> bool:
        """Tell whether it was answered or refused."""
        return self.returned < math.inf

    @property
    def refusal(self) -> str:
        """The reason why it was refused, "" if it was not, or if nobody knows."""
        return self.error if self.is_known else ""

    @property
    def request_id(self) -> str:
        """By what a repeat is known, "" if by nothing."""
        return str(getattr(self.request, "request_id", ""))

    def said(self) -> Iterator[Said]:
        """Return every task that the answer tells of, as it then was."""
        if self.answer is None:
            return
        for field, value in self.answer.ListFields():
            if field.name in ("task", "id_status"):
                yield value
            elif field.name == "tasks":
                yield from value
            elif field.name == "claims":
                yield from (claim.task for claim in value)
            elif field.name == "results" and self.what == "FinishTasks":
                yield from (result.id_status for result in value if result.HasField("id_status"))

    def line(self, number: int) -> str:
        """Return it as a line of JSON."""
        record = {
            "number": number,
            "who": self.who,
            "what": self.what,
            "request": MessageToDict(self.request),
            "invoked": self.invoked,
            "returned": self.returned if self.is_known else None,
            "answer": None if self.answer is None else MessageToDict(self.answer),
            "error": self.error,
        }
        return json.dumps(record) + "\n"


class History:
    """The operations of any number of callers, in the order in which they were begun.

    With a ``file``, each is written there as it begins and again as it ends, so that what a
    process was told outlives it.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self.operations: list[Operation] = []
        self._file = file

    @property
    def newest(self) -> int:
        """The newest revision that anyone was told of."""
        return max(said.revision for one in self.operations for said in one.said())

    async def call(self, site: Site, request: Message) -> Operation:
        """Make the call that takes this request; the caller is the task that runs."""
        what = type(request).__name__.removesuffix("Request")
        stubs = (site.tasks, site.runners, site.queues)
        method = next(getattr(stub, what) for stub in stubs if hasattr(stub, what))
        caller = asyncio.current_task()
        who = f"{caller.get_name() if caller else ''}@{site.address}"
        operation = Operation(who, what, request, time.monotonic())
        self.operations.append(operation)
        number = len(self.operations)
        self._write(number, operation)
        try:
            operation.answer = await method(request)
            operation.returned = time.monotonic()
        except grpc.aio.AioRpcError as error:
            operation.error = detail(error, ErrorInfo).reason or f"{error.code()}"
            if error.code() in REFUSALS:
                operation.returned = time.monotonic()
            raise
        finally:
            self._write(number, operation)
        return operation

    def write(self, path: Path) -> None:
        """Write it down as lines of JSON."""
        with path.open("w") as file:
            for number, operation in enumerate(self.operations, start=1):
                file.write(operation.line(number))

    def add(self, lines: Iterable[str]) -> None:
        """Add what another process has written down; its last line may be torn."""
        found: dict[int, Operation] = {}
        for line in lines:
            if line.endswith("\n"):
                record = json.loads(line)
                found[record["number"]] = _read(record)
        self.operations += found.values()

    def _write(self, number: int, operation: Operation) -> None:
        if self._file:
            self._file.write(operation.line(number))
            self._file.flush()


class Lease(NamedTuple):
    """A task that was handed out, and by which operation."""

    operation: Operation
    claim: runner_service_pb2.Claim


def claims(history: History) -> Iterator[Lease]:
    """Return every task that was handed out in an answer."""
    for operation in history.operations:
        if operation.what == "ClaimTasks" and operation.answer is not None:
            for claim in operation.answer.claims:
                yield Lease(operation, claim)


def _read(record: dict[str, Any]) -> Operation:
    rpc = _RPCS[record["what"]]
    answer = record["answer"]
    return Operation(
        who=record["who"],
        what=record["what"],
        request=ParseDict(record["request"], GetMessageClass(rpc.input_type)()),
        invoked=record["invoked"],
        returned=math.inf if record["returned"] is None else record["returned"],
        answer=None if answer is None else ParseDict(answer, GetMessageClass(rpc.output_type)()),
        error=record["error"],
    )
