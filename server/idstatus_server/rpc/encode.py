"""From the domain to the schema.

Messages inside others are filled where they are: to make them apart would copy them.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from idstatus.v1 import queue_service_pb2, task_pb2, task_service_pb2
from idstatus_server.lifecycle import Status
from idstatus_server.limits import SECOND
from idstatus_server.model import (
    Change,
    LateReport,
    Outcome,
    QueueState,
    RetryPolicy,
    Task,
    Transition,
)
from idstatus_server.store.base import Bodies

STATUS, BASIC, FULL = (
    task_pb2.TASK_VIEW_STATUS,
    task_pb2.TASK_VIEW_BASIC,
    task_pb2.TASK_VIEW_FULL,
)


def number(member: IntEnum | None) -> Any:
    """Return an enum member's number, which is the schema's; None is unset."""
    return member or 0


def timestamp(time: int) -> Timestamp | None:
    """Return a time in microseconds; 0 is unset."""
    if not time:
        return None
    message = Timestamp()
    set_time(message, time)
    return message


def duration(span: int) -> Duration:
    """Return a span in microseconds."""
    message = Duration()
    set_time(message, span)
    return message


def id_status(message: task_pb2.IdStatus | task_pb2.Task, of: Task) -> None:
    """Tell what became of a task."""
    message.id = of.id
    message.status = number(of.status)
    message.reason = number(of.reason)
    message.execution = number(of.execution)
    message.revision = of.revision
    set_time(message.update_time, of.update_time)


def task(
    message: task_pb2.Task,
    of: Task,
    view: task_pb2.TaskView.ValueType,
    bodies: Mapping[int, Bodies] | None = None,
) -> None:
    """Tell of a task in a view; ``bodies`` are those of the store, for FULL."""
    id_status(message, of)
    if view == STATUS:
        return
    _set_basics(message, of)
    payload, result = (bodies or {}).get(of.seq, Bodies())
    if of.late_report:
        message.late_report.CopyFrom(_late_report(of.late_report, result))
    if view == FULL:
        message.payload = payload
        for step in of.transitions:
            _set_transition(message.transitions.add(), step)
        # A result belongs to the success that brought it, in time or late; a change from
        # before that shows none.
        if of.status is Status.SUCCESS:
            message.result = result


def change(
    message: task_service_pb2.TaskChange,
    of: Change,
    view: task_pb2.TaskView.ValueType,
    bodies: Mapping[int, Bodies] | None = None,
) -> None:
    """Tell of a change; ``bodies`` as for ``task``."""
    message.type = number(of.kind)
    id_status(message.id_status, of.task)
    message.previous_status = number(of.before.status if of.before else None)
    if view != STATUS:
        task(message.task, of.task, view, bodies)


def set_time(message: Timestamp | Duration, time: int) -> None:
    """Set a time or a span in microseconds."""
    message.seconds, rest = divmod(time, SECOND)
    message.nanos = rest * 1000


# Fields are set one by one, and only those that are not at their default: it takes half as long
# as to hand them to a message's constructor.


def _set_basics(message: task_pb2.Task, of: Task) -> None:
    for name in _PLAIN:
        value = getattr(of, name)
        if value:
            setattr(message, name, value)
    for name in _TIMES:
        time = getattr(of, name)
        if time:
            set_time(getattr(message, name), time)
    set_time(message.timeout, of.timeout)
    if of.labels:
        message.labels.update(of.labels)
    if of.retry_policy:
        message.retry_policy.CopyFrom(_retry_policy(of.retry_policy))
    if of.progress:
        message.progress.fraction = of.progress.fraction
        message.progress.message = of.progress.message
    if of.exit_code is not None:
        message.exit_code = of.exit_code
    if of.signal is not None:
        message.signal = of.signal


_TIMES = ("run_time", "create_time", "start_time", "end_time", "lease_expire_time")
_PLAIN = (
    "queue",
    "priority",
    "content_type",
    "unique_key",
    "retries_left",
    "runner",
    "message",
    "root_id",
    "retry_of",
    "retried_by",
    "retry_number",
)


def _retry_policy(policy: RetryPolicy) -> task_pb2.RetryPolicy:
    return task_pb2.RetryPolicy(
        max_retries=policy.max_retries,
        retry_delay=duration(policy.retry_delay),
        backoff_multiplier=policy.backoff_multiplier,
        max_retry_delay=duration(policy.max_retry_delay) if policy.max_retry_delay else None,
        retryable_reasons=[number(reason) for reason in policy.retryable_reasons],
    )


def _late_report(late: LateReport, result: bytes) -> task_pb2.LateReport:
    return task_pb2.LateReport(time=timestamp(late.time), **_outcome(late.outcome, result))


def _outcome(outcome: Outcome, result: bytes) -> dict[str, Any]:
    if outcome.status is Status.SUCCESS:
        return {"success": task_pb2.Success(result=result)}
    if outcome.status is Status.CANCELLED:
        return {"stopped": task_pb2.Stopped()}
    return {
        "error": task_pb2.Failure(
            reason=number(outcome.reason),
            message=outcome.message,
            exit_code=outcome.exit_code,
            signal=outcome.signal,
        )
    }


def _set_transition(message: task_pb2.Transition, step: Transition) -> None:
    message.revision = step.revision
    set_time(message.time, step.time)
    setattr(message, "from", number(step.source))  # no name in Python
    message.to = number(step.to)
    message.reason = number(step.reason)
    message.actor = step.actor


def queue(state: QueueState, now: int) -> queue_service_pb2.Queue:
    """Return a queue; ``now`` dates the age of what waits longest."""
    oldest = state.oldest_queued_time
    return queue_service_pb2.Queue(
        name=state.queue.name,
        paused=state.queue.paused,
        max_running=state.queue.max_running,
        retention=duration(state.queue.retention) if state.queue.retention else None,
        counts=queue_service_pb2.QueueCounts(
            **{status.name.lower(): tasks for status, tasks in state.counts.items()}
        ),
        oldest_queued_time=timestamp(oldest),
        oldest_queued_age=duration(max(0, now - oldest)) if oldest else None,
    )
