"""A task and everything that describes one.

What the server left unset is None for a message, an enum or an optional number, and empty
for a string, for bytes and for a collection.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

from idstatus.models import wire
from idstatus.models.enums import Execution, Reason, Status
from idstatus.models.outcome import Outcome, decode_outcome
from idstatus.models.wire import Duration
from idstatus.v1 import task_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class IdStatus:
    """The answer to "what became of task X?"."""

    id: str
    status: Status
    reason: Reason | None
    """Why, if and only if the status is error or cancelled."""
    execution: Execution
    revision: int
    """The store-wide revision of the task's last change."""
    update_time: datetime
    """When that change was made, by the server's clock, UTC."""

    @property
    def is_terminal(self) -> bool:
        """Whether the status never changes again."""
        return self.status.is_terminal

    @classmethod
    def from_message(cls, message: task_pb2.IdStatus) -> "IdStatus":
        """Read it from the wire."""
        return IdStatus(
            id=message.id,
            status=wire.STATUS.decode(message.status),
            reason=wire.REASON.decode_optional(message.reason),
            execution=wire.EXECUTION.decode(message.execution),
            revision=message.revision,
            update_time=wire.utc(message.update_time),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When and how a task that ended in error is retried by the server."""

    max_retries: int = 0
    """How many automatic retries it gets, 0 to 25."""
    retry_delay: Duration | None = None
    """Delay before the first retry; None: 60 s."""
    backoff_multiplier: float = 0.0
    """Each further delay is the one before times this, 1 to 100; 0.0: 1."""
    max_retry_delay: Duration | None = None
    """The delay never grows past this; None: 1 year."""
    retryable_reasons: Sequence[Reason] = ()
    """The reasons that are retried; empty: timeout, killed and bad_exit."""

    def to_message(self) -> task_pb2.RetryPolicy:
        """Write it for the wire."""
        return task_pb2.RetryPolicy(
            max_retries=self.max_retries,
            retry_delay=wire.encode_duration(self.retry_delay),
            backoff_multiplier=self.backoff_multiplier,
            max_retry_delay=wire.encode_duration(self.max_retry_delay),
            retryable_reasons=map(wire.REASON.encode, self.retryable_reasons),
        )

    @classmethod
    def from_message(cls, message: task_pb2.RetryPolicy) -> Self:
        """Read it from the wire."""
        return cls(
            max_retries=message.max_retries,
            retry_delay=wire.decode_duration(message, "retry_delay"),
            backoff_multiplier=message.backoff_multiplier,
            max_retry_delay=wire.decode_duration(message, "max_retry_delay"),
            retryable_reasons=tuple(map(wire.REASON.decode, message.retryable_reasons)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the work is."""

    fraction: float = 0.0
    """The part that is done, 0 to 1."""
    message: str = ""
    """What is being done, for people; at most 1,024 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LateReport:
    """The first report that came after the task was cancelled or had expired."""

    time: datetime
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One change of a task's status."""

    revision: int
    time: datetime
    from_status: Status | None
    """None for the creation."""
    to_status: Status
    reason: Reason | None
    actor: str
    """Who made it: "client", "server" or "runner:" and the runner's name."""

    @classmethod
    def from_message(cls, message: task_pb2.Transition) -> Self:
        """Read it from the wire."""
        return cls(
            revision=message.revision,
            time=wire.utc(message.time),
            from_status=wire.STATUS.decode_optional(getattr(message, "from")),
            to_status=wire.STATUS.decode(message.to),
            reason=wire.REASON.decode_optional(message.reason),
            actor=message.actor,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(IdStatus):
    """A piece of work and all that is known of it.

    In `TaskView.STATUS` only the fields of `IdStatus` are set; payload, result and transitions
    are set in `TaskView.FULL` only.
    """

    queue: str = ""
    priority: int = 0
    payload: bytes = b""
    content_type: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    unique_key: str = ""
    run_time: datetime | None = None
    """Earliest time at which it may be claimed; set if it was created delayed."""
    timeout: timedelta | None = None
    """Longest run allowed, counted from the claim."""
    retry_policy: RetryPolicy | None = None
    retries_left: int = 0
    create_time: datetime | None = None
    start_time: datetime | None = None
    """When it was claimed."""
    end_time: datetime | None = None
    """When it became terminal."""
    runner: str = ""
    lease_expire_time: datetime | None = None
    progress: Progress | None = None
    message: str = ""
    """What went wrong, or why it was cancelled, for people."""
    exit_code: int | None = None
    signal: int | None = None
    result: bytes = b""
    root_id: str = ""
    """The first task of its chain of retries; its own id if it is the first."""
    retry_of: str = ""
    retried_by: str = ""
    retry_number: int = 0
    """Its place in the chain, 0 for the first task."""
    late_report: LateReport | None = None
    transitions: tuple[Transition, ...] = ()

    def payload_json(self) -> Any:
        """Return what the payload holds as JSON, whatever its media type says.

        Raises:
            ValueError: It is empty, as in every view but FULL, or not JSON.
        """
        return json.loads(self.payload)

    def result_json(self) -> Any:
        """Return what the result holds as JSON.

        Raises:
            ValueError: It is empty, as in every view but FULL, or not JSON.
        """
        return json.loads(self.result)

    @classmethod
    def from_message(cls, message: task_pb2.Task) -> "Task":  # type: ignore[override]  # a Task is read off a Task
        """Read it from the wire."""
        has = message.HasField
        return Task(
            id=message.id,
            status=wire.STATUS.decode(message.status),
            reason=wire.REASON.decode_optional(message.reason),
            execution=wire.EXECUTION.decode(message.execution),
            revision=message.revision,
            update_time=wire.utc(message.update_time),
            queue=message.queue,
            priority=message.priority,
            payload=message.payload,
            content_type=message.content_type,
            labels=dict(message.labels),
            unique_key=message.unique_key,
            run_time=wire.decode_time(message, "run_time"),
            timeout=wire.decode_duration(message, "timeout"),
            retry_policy=(
                RetryPolicy.from_message(message.retry_policy) if has("retry_policy") else None
            ),
            retries_left=message.retries_left,
            create_time=wire.decode_time(message, "create_time"),
            start_time=wire.decode_time(message, "start_time"),
            end_time=wire.decode_time(message, "end_time"),
            runner=message.runner,
            lease_expire_time=wire.decode_time(message, "lease_expire_time"),
            progress=_decode_progress(message),
            message=message.message,
            exit_code=message.exit_code if has("exit_code") else None,
            signal=message.signal if has("signal") else None,
            result=message.result,
            root_id=message.root_id,
            retry_of=message.retry_of,
            retried_by=message.retried_by,
            retry_number=message.retry_number,
            late_report=_decode_late_report(message),
            transitions=tuple(map(Transition.from_message, message.transitions)),
        )


def _decode_progress(message: task_pb2.Task) -> Progress | None:
    if not message.HasField("progress"):
        return None
    return Progress(fraction=message.progress.fraction, message=message.progress.message)


def _decode_late_report(message: task_pb2.Task) -> LateReport | None:
    if not message.HasField("late_report"):
        return None
    report = message.late_report
    return LateReport(time=wire.utc(report.time), outcome=decode_outcome(report))
