"""RunnerService: hands out tasks and takes reports."""

from collections.abc import AsyncIterator

from idstatus.v1 import runner_service_pb2 as pb
from idstatus_server.engine.commands import Claim, Extend, Extended, Finish, Report
from idstatus_server.errors import DomainError, InvalidFieldError
from idstatus_server.model import Task
from idstatus_server.rpc import decode, encode
from idstatus_server.rpc.claiming import Claiming, lease_duration, wanted_queues
from idstatus_server.rpc.errors import to_status
from idstatus_server.rpc.fields import Fields
from idstatus_server.rpc.guard import Context, Guard
from idstatus_server.rpc.listing import MAX_ANSWER
from idstatus_server.rpc.rooms import Rooms
from idstatus_server.rpc.run import Desk, RunSession
from idstatus_server.rpc.watching import call_patience


class RunnerService:
    """What runners call."""

    def __init__(self, rooms: Rooms, guard: Guard) -> None:
        self._ledger = rooms.ledger
        self._hub = rooms.hub
        self._observer = rooms.observer
        self._limits = rooms.limits
        self._patience = rooms.patience
        self._claiming = Claiming(rooms, guard)
        self._desk = Desk(
            self._claiming, self.extend_leases, self.finish_tasks, guard.callers.pace, rooms.tracer
        )

    async def claim_tasks(
        self, request: pb.ClaimTasksRequest, context: Context
    ) -> pb.ClaimTasksResponse:
        """Claim tasks, waiting for the first if asked to."""
        fields = Fields(self._limits)
        wait = fields.wait("wait", request, default=0)
        command = Claim(
            queues=wanted_queues(fields, request.queues),
            max_tasks=fields.number("max_tasks", request.max_tasks or 1, 1, self._limits.batch),
            lease=lease_duration(fields, request),
            runner=fields.text("runner", request.runner, self._limits.short_text),
            max_bytes=MAX_ANSWER,
            key=decode.request_key(fields, request),
        )
        fields.check()
        patience = call_patience(context, wait)
        answer = pb.ClaimTasksResponse()
        await self._claiming.encode(answer, await self._claiming.claim(command, patience))
        return answer

    async def extend_leases(
        self, request: pb.ExtendLeasesRequest, _: Context
    ) -> pb.ExtendLeasesResponse:
        """Extend leases."""
        fields = Fields(self._limits)
        fields.batch("leases", len(request.leases))
        fields.check()
        leases = [
            decode.lease(fields.at(f"leases[{i}]"), lease) for i, lease in enumerate(request.leases)
        ]
        fields.check()
        results = await self._ledger.submit(Extend(leases))
        self._observer.leases_extended(result.state.name.lower() for result in results)
        return pb.ExtendLeasesResponse(results=[_extended(result) for result in results])

    async def finish_tasks(
        self, request: pb.FinishTasksRequest, _: Context
    ) -> pb.FinishTasksResponse:
        """Take reports."""
        fields = Fields(self._limits)
        fields.batch("reports", len(request.reports))
        fields.check()
        reports = [self._report(i, report) for i, report in enumerate(request.reports)]
        good = [report for report in reports if isinstance(report, Report)]
        answers = iter(await self._ledger.submit(Finish(good)) if good else ())
        results = [next(answers) if isinstance(r, Report) else r for r in reports]
        answer = pb.FinishTasksResponse()
        for result in results:
            _set_finished(answer.results.add(), result)
        return answer

    def _report(self, index: int, report: pb.Report) -> Report | InvalidFieldError:
        """Return a report, or what is wrong with it: each has an answer of its own."""
        fields = Fields(self._limits).at(f"reports[{index}]")
        try:
            decoded = decode.report(fields, report)
            fields.check()
        except InvalidFieldError as error:
            return error
        return decoded

    async def run(self, requests: AsyncIterator[pb.RunRequest | None], context: Context) -> None:
        """Serve one runner over one stream."""
        session = RunSession(
            self._desk,
            self._hub,
            self._limits,
            context,
            self._patience,
        )
        await session.serve(requests)


def _extended(result: Extended) -> pb.LeaseResult:
    return pb.LeaseResult(
        id=result.id,
        state=encode.number(result.state),
        lease_expire_time=encode.timestamp(result.expire_time),
    )


def _set_finished(message: pb.FinishResult, result: Task | DomainError) -> None:
    if isinstance(result, Task):
        encode.id_status(message.id_status, result)
    else:
        message.error.CopyFrom(to_status(result))
