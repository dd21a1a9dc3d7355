"""What a runner holds, extends and reports."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from idstatus.models import wire
from idstatus.models.enums import LeaseState
from idstatus.models.outcome import Outcome, encode_outcome
from idstatus.models.task import Progress, Task
from idstatus.models.wire import Duration
from idstatus.v1 import runner_service_pb2, task_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A lease that its runner still needs."""

    id: str
    """The task's id."""
    lease_token: str
    """The token from the claim."""
    progress: Progress | None = None
    """How far the work is; None: nothing new."""
    lease_duration: Duration | None = None
    """How long from now, 1 s to 1 h; None: as long as the claim asked for."""

    def to_message(self) -> runner_service_pb2.Lease:
        """Write it for the wire."""
        message = runner_service_pb2.Lease(
            id=self.id,
            lease_token=self.lease_token,
            lease_duration=wire.encode_duration(self.lease_duration),
        )
        if (progress := self.progress) is not None:
            told = task_pb2.Progress(fraction=progress.fraction, message=progress.message)
            message.progress.CopyFrom(told)
        return message


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How one task ended."""

    id: str
    """The task's id."""
    lease_token: str
    """The token from the claim."""
    outcome: Outcome

    def to_message(self) -> runner_service_pb2.Report:
        """Write it for the wire."""
        outcome = encode_outcome(self.outcome)
        return runner_service_pb2.Report(id=self.id, lease_token=self.lease_token, **outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A task and the lease on it."""

    task: Task
    """The task, whole."""
    lease_token: str
    """Proves that the caller holds the lease."""
    lease_expire_time: datetime | None
    """When the lease runs out unless it is extended."""
    traceparent: str = ""
    """The trace context of the call that created the task, as W3C Trace Context writes it: the
    work can go on in that trace. Empty if the server did not trace the call."""

    def lease(self, progress: Progress | None = None) -> Lease:
        """Return the lease, to be extended."""
        return Lease(id=self.task.id, lease_token=self.lease_token, progress=progress)

    def report(self, outcome: Outcome) -> Report:
        """Return the report that the work ended so."""
        return Report(id=self.task.id, lease_token=self.lease_token, outcome=outcome)

    @classmethod
    def from_message(cls, message: runner_service_pb2.Claim) -> Self:
        """Read it from the wire."""
        return cls(
            task=Task.from_message(message.task),
            lease_token=message.lease_token,
            lease_expire_time=wire.decode_time(message, "lease_expire_time"),
            traceparent=message.traceparent,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseResult:
    """What became of one lease."""

    id: str
    """The task's id."""
    state: LeaseState
    lease_expire_time: datetime | None
    """When the lease now runs out, if it was extended."""

    @classmethod
    def from_message(cls, message: runner_service_pb2.LeaseResult) -> Self:
        """Read it from the wire."""
        return cls(
            id=message.id,
            state=wire.LEASE_STATE.decode(message.state),
            lease_expire_time=wire.decode_time(message, "lease_expire_time"),
        )
