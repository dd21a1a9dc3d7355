"""One `Run` stream: what the runner says on it, and what it hears."""

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import grpc

from idstatus.core.backoff import RESUMABLE
from idstatus.decoding import from_grpc
from idstatus.errors import RpcError, UnavailableError
from idstatus.methods.running import decode_result
from idstatus.models.enums import LeaseState
from idstatus.models.lease import Claim, LeaseResult
from idstatus.models.outcome import Stopped
from idstatus.runner.workload import HeldTask, Workload
from idstatus.v1 import runner_service_pb2 as pb

# Progress is told at most this often; it takes an extension, so a chatty handler costs no more.
_PROGRESS_INTERVAL = 1.0
# The server's limit on one message's items, and well below gRPC's on its size (4 MiB).
_MOST_ITEMS = 1000
_MOST_BYTES = 1024 * 1024


class Session:
    """A conversation on one stream. It ends with the stream, or when a drain is complete.

    Leases outlive a stream. So a session begins by extending those still needed, which brings
    their notices to this stream, and sends again every report that no answer came to. Until the
    leases are known to the server it asks for no new tasks, for it would get too many.
    """

    def __init__(self, call: Any, workload: Workload, subscription: pb.Subscription) -> None:
        self._call = call
        self._workload = workload
        self._subscription = subscription
        self._extension_interval = subscription.lease_duration.ToTimedelta().total_seconds() / 3
        self._tags = itertools.count(1)
        self._reports: dict[int, list[HeldTask]] = {}
        """The reports under way, by the tag of their message."""
        self._asked_for: int | None = None
        """The capacity last asked for."""
        self._is_attached = False
        self._extended_at = float("-inf")
        self.is_established = False
        """Whether the server has said anything."""

    async def converse(self) -> None:
        """Talk until a drain is complete.

        The server may still hand over what it was about to claim: then a task is held
        afterwards, and takes another session.

        Raises:
            RpcError: The stream ended before.
        """
        self._workload.send_again()
        reading = asyncio.create_task(self._read())
        writing = asyncio.create_task(self._write())
        try:
            await asyncio.wait({reading, writing}, return_when=asyncio.FIRST_COMPLETED)
            if writing.done():
                writing.result()
            await reading
        finally:
            reading.cancel()
            writing.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)
            self._call.cancel()

    async def _write(self) -> None:
        # If the stream is broken, the reader is told why.
        with suppress(grpc.RpcError, asyncio.InvalidStateError):
            while not self._is_over():
                self._workload.news.clear()
                for message in self._messages():
                    await self._call.write(message)
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(self._next_extension()):
                        await self._workload.news.wait()
            await self._call.done_writing()

    def _messages(self) -> Iterator[pb.RunRequest]:
        """Yield all that is to be said now."""
        if not any(self._workload.at_work()):
            self._is_attached = True
        wants_tasks = self._is_attached and not self._workload.draining
        capacity = self._subscription.capacity if wants_tasks else 0
        if capacity != self._asked_for:
            self._asked_for = capacity
            yield self._subscribe(capacity)
        if self._next_extension() <= _now():
            self._extended_at = _now()
            self._workload.progressed = False
            yield from self._extensions()
        while reported := self._workload.take_unsent(_MOST_ITEMS, _MOST_BYTES):
            yield self._finish(reported)

    def _subscribe(self, capacity: int) -> pb.RunRequest:
        request = pb.RunRequest(tag=next(self._tags), subscription=self._subscription)
        request.subscription.capacity = capacity
        return request

    def _next_extension(self) -> float:
        pause = self._extension_interval
        if self._workload.progressed:
            pause = min(pause, _PROGRESS_INTERVAL)
        return self._extended_at + pause

    def _extensions(self) -> Iterator[pb.RunRequest]:
        leases = [held.claim.lease(held.context.progress) for held in self._workload.at_work()]
        for start in range(0, len(leases), _MOST_ITEMS):
            part = leases[start : start + _MOST_ITEMS]
            request = pb.ExtendLeasesRequest(leases=[lease.to_message() for lease in part])
            yield pb.RunRequest(tag=next(self._tags), extend=request)

    def _finish(self, reported: list[HeldTask]) -> pb.RunRequest:
        tag = next(self._tags)
        self._reports[tag] = reported
        reports = [held.report.to_message() for held in reported if held.report]
        return pb.RunRequest(tag=tag, finish=pb.FinishTasksRequest(reports=reports))

    async def _read(self) -> None:
        try:
            while message := await self._call.read():  # grpc.aio.EOF is false, a message is true
                self.is_established = True
                self._hear(message)
        except grpc.RpcError as error:
            raise from_grpc(error) from error
        if not self._workload.draining:
            code = grpc.StatusCode.UNAVAILABLE
            raise UnavailableError("the server ended the stream", code=code)

    def _is_over(self) -> bool:
        """Whether no task is held and none is wanted."""
        return self._workload.draining and not self._workload

    def _hear(self, message: pb.RunResponse) -> None:
        match message.WhichOneof("response"):
            case "claims":
                for claim in message.claims.claims:
                    self._workload.start(Claim.from_message(claim))
            case "notice":
                self._workload.stop(message.notice.id_status.id, Stopped())
            case "extend":
                self._hear_extended(message.extend)
            case "finish":
                self._hear_finished(message.tag, message.finish)

    def _hear_extended(self, answer: pb.ExtendLeasesResponse) -> None:
        for result in map(LeaseResult.from_message, answer.results):
            if result.state is not LeaseState.EXTENDED:
                self._workload.stop(result.id, Stopped())
        if not self._is_attached:
            self._is_attached = True
            self._workload.news.set()

    def _hear_finished(self, tag: int, answer: pb.FinishTasksResponse) -> None:
        for held, result in zip(self._reports.pop(tag), answer.results, strict=True):
            outcome = decode_result(result)
            if isinstance(outcome, RpcError) and outcome.code in RESUMABLE:
                raise outcome  # a new stream, after a pause, sends the report again
            self._workload.answered(held, outcome)


def _now() -> float:
    return asyncio.get_running_loop().time()
