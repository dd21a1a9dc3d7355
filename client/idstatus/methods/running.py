"""For those who write a runner of their own; `idstatus.Runner` does all of it."""

from collections.abc import Iterable, Sequence

from idstatus.core.operation import operation
from idstatus.core.steps import Methods, Steps, rpc
from idstatus.decoding import from_status
from idstatus.errors import RpcError
from idstatus.ids import new_id
from idstatus.models import wire
from idstatus.models.lease import Claim, Lease, LeaseResult, Report
from idstatus.models.task import IdStatus
from idstatus.models.wire import Duration
from idstatus.v1 import runner_service_pb2 as pb


class RunningMethods(Methods):
    """Claims, extensions and reports, call by call."""

    @operation
    def claim(
        self,
        queues: Iterable[str] = (),
        *,
        max_tasks: int = 1,
        wait: Duration | None = None,
        lease_duration: Duration | None = None,
        runner: str = "",
        request_id: str = "",
        rpc_timeout: Duration | None = None,
    ) -> Steps[Sequence[Claim]]:
        """Claim tasks: each becomes running and is leased to the caller.

        Args:
            queues: In order of preference, at most 100; empty: "default".
            max_tasks: 1 to 1,000.
            wait: How long to wait for the first task; None: not at all.
            lease_duration: How long each lease lasts unless extended, 1 s to 1 h; None: 30 s.
            runner: The runner's name, for people.
            request_id: A repeat with it returns the same leases, as far as they still run.
            rpc_timeout: The deadline, on top of the wait.

        Returns:
            The claims; none if there was nothing to claim.
        """
        request = pb.ClaimTasksRequest(
            queues=queues,
            max_tasks=max_tasks,
            wait=wire.encode_duration(wait),
            lease_duration=wire.encode_duration(lease_duration),
            runner=runner,
            request_id=request_id or new_id(),
        )
        limit = self.timeout if rpc_timeout is None else wire.seconds(rpc_timeout)
        limit += 0.0 if wait is None else wire.seconds(wait)
        response = yield from rpc(lambda stubs: stubs.runners.ClaimTasks, request, limit)
        return [Claim.from_message(claim) for claim in response.claims]

    @operation
    def extend(
        self, leases: Iterable[Lease], *, rpc_timeout: Duration | None = None
    ) -> Steps[Sequence[LeaseResult]]:
        """Extend 1 to 1,000 leases and tell progress; what became of each, in order."""
        request = pb.ExtendLeasesRequest(leases=[lease.to_message() for lease in leases])
        response = yield from rpc(lambda stubs: stubs.runners.ExtendLeases, request, rpc_timeout)
        return [LeaseResult.from_message(result) for result in response.results]

    @operation
    def finish(
        self, reports: Iterable[Report], *, rpc_timeout: Duration | None = None
    ) -> Steps[Sequence[IdStatus | RpcError]]:
        """Report how 1 to 1,000 tasks ended.

        Returns:
            In order, for each report what stands now, or why it was refused: for example a
            `TaskFinishedError`, not raised, if the task had been cancelled or had expired.
        """
        request = pb.FinishTasksRequest(reports=[report.to_message() for report in reports])
        response = yield from rpc(lambda stubs: stubs.runners.FinishTasks, request, rpc_timeout)
        return [decode_result(result) for result in response.results]


def decode_result(result: pb.FinishResult) -> IdStatus | RpcError:
    """Return the answer to one report: what stands, or why it was refused."""
    if result.HasField("error"):
        return from_status(result.error)
    return IdStatus.from_message(result.id_status)
