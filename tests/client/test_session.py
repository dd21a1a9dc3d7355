"""The conversation of a runner, against the other end of a stream held by the test."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import code_pb2, error_details_pb2, status_pb2

from idstatus import RpcError, TaskContext
from idstatus.runner.handler import Handler, Work
from idstatus.runner.session import Session
from idstatus.runner.workload import Workload
from idstatus.v1 import task_pb2
from idstatus.v1.runner_service_pb2 import (
    Claim,
    ClaimTasksResponse,
    ExtendLeasesResponse,
    FinishResult,
    FinishTasksResponse,
    LeaseResult,
    Notice,
    RunRequest,
    RunResponse,
    Subscription,
)


class ServerEnd:
    """A stream's other end, and its call as the client sees it."""

    def __init__(self) -> None:
        self._said: asyncio.Queue[RunRequest] = asyncio.Queue()
        self._answers: asyncio.Queue[RunResponse | Exception | None] = asyncio.Queue()
        self.heard_all = asyncio.Event()

    async def write(self, message: RunRequest) -> None:
        said = RunRequest()
        said.CopyFrom(message)
        await self._said.put(said)

    async def read(self) -> RunResponse | None:
        answer = await self._answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def done_writing(self) -> None:
        self.heard_all.set()

    def cancel(self) -> bool:
        return True

    async def hear(self, kind: str) -> RunRequest:
        """Return the runner's next message, which must be of this kind."""
        async with asyncio.timeout(5):
            message = await self._said.get()
        assert message.WhichOneof("request") == kind
        return message

    def say(self, response: RunResponse) -> None:
        self._answers.put_nowait(response)

    async def end(self, *, claiming: str = "") -> None:
        """End the stream once the runner has nothing more to say, maybe with a last claim."""
        async with asyncio.timeout(5):
            await self.heard_all.wait()
        if claiming:
            self.claim(claiming)
        self._answers.put_nowait(None)

    async def confirm_subscription(self) -> int:
        """Return the capacity that the runner asks for."""
        asked = await self.hear("subscription")
        self.say(RunResponse(tag=asked.tag, subscription=asked.subscription))
        return asked.subscription.capacity

    async def confirm_reports(self) -> list[str]:
        """Return the outcomes that the runner reports."""
        message = await self.hear("finish")
        statuses = [accepted(report.id) for report in message.finish.reports]
        self.say(RunResponse(tag=message.tag, finish=FinishTasksResponse(results=statuses)))
        return [report.WhichOneof("outcome") or "" for report in message.finish.reports]

    async def confirm_extension(self, state: "LeaseResult.State.ValueType") -> list[str]:
        """Return the ids of the tasks whose leases the runner wants extended."""
        message = await self.hear("extend")
        ids = [lease.id for lease in message.extend.leases]
        results = [LeaseResult(id=task_id, state=state) for task_id in ids]
        self.say(RunResponse(tag=message.tag, extend=ExtendLeasesResponse(results=results)))
        return ids

    def claim(self, *task_ids: str) -> None:
        claims = [Claim(task=task(task_id), lease_token=f"lease-{task_id}") for task_id in task_ids]
        self.say(RunResponse(claims=ClaimTasksResponse(claims=claims)))

    def break_down(self) -> None:
        none = grpc.aio.Metadata()
        error = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, none, none, "gone", None)
        self._answers.put_nowait(error)


def status(task_id: str) -> task_pb2.IdStatus:
    return task_pb2.IdStatus(
        id=task_id,
        status=task_pb2.STATUS_RUNNING,
        execution=task_pb2.EXECUTION_MAY_BE_RUNNING,
        revision=1,
        update_time=Timestamp(),
    )


def accepted(task_id: str) -> FinishResult:
    return FinishResult(id_status=status(task_id))


def task(task_id: str) -> task_pb2.Task:
    message = task_pb2.Task(queue="q")
    message.MergeFromString(status(task_id).SerializeToString())
    return message


@asynccontextmanager
async def conversation(
    workload: Workload, lease: float = 30.0
) -> AsyncIterator[tuple[ServerEnd, asyncio.Task[None]]]:
    server = ServerEnd()
    lease_duration = Duration()
    lease_duration.FromMilliseconds(int(lease * 1_000))
    subscription = Subscription(queues=["q"], capacity=3, lease_duration=lease_duration)
    talking = asyncio.create_task(Session(server, workload, subscription).converse())
    try:
        yield server, talking
    finally:
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)


@pytest.fixture
async def workload_of() -> AsyncIterator[Callable[[Handler], Workload]]:
    made: list[Workload] = []

    def make(handler: Handler) -> Workload:
        made.append(Workload(Work({"q": handler}, threads=3)))
        return made[-1]

    yield make
    for workload in made:
        await workload.close(grace=5.0)


MakeWorkload = Callable[[Handler], Workload]


async def echo(context: TaskContext) -> str:
    return context.task.id


async def hang(_context: TaskContext) -> None:
    await asyncio.Event().wait()


def wait_for_cancellation(context: TaskContext) -> bytes:
    assert context.cancelled.wait(5)
    return b"too late"


async def test_a_claimed_task_is_done_and_reported(workload_of: MakeWorkload) -> None:
    async with conversation(workload_of(echo)) as (server, _):
        assert await server.confirm_subscription() == 3
        server.claim("a")
        report = (await server.hear("finish")).finish.reports[0]
        assert (report.id, report.lease_token) == ("a", "lease-a")
        assert report.success.result == b"a"


@pytest.mark.parametrize("handler", [hang, wait_for_cancellation])
async def test_a_notice_stops_the_handler_at_once(
    handler: Handler, workload_of: MakeWorkload
) -> None:
    async with conversation(workload_of(handler)) as (server, _):
        await server.confirm_subscription()
        server.claim("a")
        server.say(RunResponse(notice=Notice(id_status=status("a"))))
        assert await server.confirm_reports() == ["stopped"]


async def test_leases_are_extended_together_and_carry_the_progress(
    workload_of: MakeWorkload,
) -> None:
    async def half(context: TaskContext) -> None:
        context.set_progress(0.5, "half")
        await hang(context)

    async with conversation(workload_of(half), lease=0.3) as (server, _):
        await server.confirm_subscription()
        server.claim("a", "b")
        leases = (await server.hear("extend")).extend.leases
        assert [(lease.id, lease.progress.fraction) for lease in leases] == [("a", 0.5), ("b", 0.5)]


@pytest.mark.parametrize("state", [LeaseResult.STATE_LOST, LeaseResult.STATE_CANCELLED])
async def test_a_lease_that_is_gone_stops_the_handler(
    state: "LeaseResult.State.ValueType", workload_of: MakeWorkload
) -> None:
    async with conversation(workload_of(hang), lease=0.3) as (server, _):
        await server.confirm_subscription()
        server.claim("a")
        await server.confirm_extension(state)
        assert await server.confirm_reports() == ["stopped"]


async def test_a_new_stream_attaches_the_leases_before_it_asks_for_tasks(
    workload_of: MakeWorkload,
) -> None:
    workload = workload_of(hang)
    async with conversation(workload) as (server, talking):
        await server.confirm_subscription()
        server.claim("a")
        server.break_down()
        with pytest.raises(RpcError, match="gone"):
            await talking
    async with conversation(workload) as (server, _):
        assert await server.confirm_subscription() == 0
        assert await server.confirm_extension(LeaseResult.STATE_EXTENDED) == ["a"]
        assert await server.confirm_subscription() == 3


async def test_a_report_that_was_not_answered_is_sent_again(workload_of: MakeWorkload) -> None:
    workload = workload_of(echo)
    async with conversation(workload) as (server, talking):
        await server.confirm_subscription()
        server.claim("a")
        first = await server.hear("finish")
        server.break_down()
        with pytest.raises(RpcError, match="gone"):
            await talking
    async with conversation(workload) as (server, _):
        await server.confirm_subscription()
        assert (await server.hear("finish")).finish == first.finish


def refusal(code: int, reason: str) -> FinishTasksResponse:
    error = status_pb2.Status(code=code, message="refused")
    error.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="idstatus"))
    return FinishTasksResponse(results=[FinishResult(error=error)])


async def test_a_report_that_is_refused_lets_go_of_the_task(workload_of: MakeWorkload) -> None:
    workload = workload_of(echo)
    async with conversation(workload) as (server, talking):
        await server.confirm_subscription()
        server.claim("a")
        sent = await server.hear("finish")
        workload.draining = True
        refused = refusal(code_pb2.FAILED_PRECONDITION, "TASK_FINISHED")
        server.say(RunResponse(tag=sent.tag, finish=refused))
        await server.end()
        await talking
    assert len(workload) == 0


async def test_a_report_that_the_store_could_not_take_is_sent_again(
    workload_of: MakeWorkload,
) -> None:
    workload = workload_of(echo)
    async with conversation(workload) as (server, talking):
        await server.confirm_subscription()
        server.claim("a")
        sent = await server.hear("finish")
        refused = refusal(code_pb2.UNAVAILABLE, "STORE_UNAVAILABLE")
        server.say(RunResponse(tag=sent.tag, finish=refused))
        with pytest.raises(RpcError, match="STORE_UNAVAILABLE"):
            await talking
    async with conversation(workload) as (server, _):
        await server.confirm_subscription()
        assert await server.confirm_reports() == ["success"]


async def test_a_result_that_is_refused_becomes_an_error(workload_of: MakeWorkload) -> None:
    async with conversation(workload_of(echo)) as (server, _):
        await server.confirm_subscription()
        server.claim("a")
        sent = await server.hear("finish")
        refused = refusal(code_pb2.INVALID_ARGUMENT, "INVALID_FIELD")
        server.say(RunResponse(tag=sent.tag, finish=refused))
        assert "result was refused" in (await server.hear("finish")).finish.reports[0].error.message


async def test_a_drain_ends_the_stream_once_no_task_is_held(workload_of: MakeWorkload) -> None:
    workload = workload_of(echo)
    async with conversation(workload) as (server, talking):
        await server.confirm_subscription()
        server.claim("a")
        await server.hear("finish")
        workload.draining = True
        workload.news.set()
        assert await server.confirm_subscription() == 0
        assert not server.heard_all.is_set()
        server.say(RunResponse(tag=2, finish=FinishTasksResponse(results=[accepted("a")])))
        await server.end()
        await talking


async def test_a_claim_that_crosses_the_end_of_a_drain_is_held_for_another_session(
    workload_of: MakeWorkload,
) -> None:
    workload = workload_of(hang)
    async with conversation(workload) as (server, talking):
        await server.confirm_subscription()
        workload.draining = True
        workload.news.set()
        await server.end(claiming="a")
        await talking
    assert len(workload) == 1
