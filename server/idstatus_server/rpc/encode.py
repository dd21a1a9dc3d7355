"""From the domain to the schema."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from idstatus.v1 import queue_service_pb2, task_pb2
from idstatus_server.lifecycle import Status
from idstatus_server.limits import SECOND
from idstatus_server.model import LateReport, Outcome, QueueState, RetryPolicy, Task, Transition
from idstatus_server.store.base import Bodies

STATUS, BASIC, FULL = (
    task_pb2.TASK_VIEW_STATUS,
    task_pb2.TASK_VIEW_BASIC,
    task_pb2.TASK_VIEW_FULL,
)


def number(member: IntEnum | None) -> Any:
    """Return an enum member's number, which is the schema's; None is unset."""
    return member.value if member else 0


def timestamp(time: int) -> Timestamp | None:
    """Return a time in microseconds; 0 is unset."""
    return Timestamp(seconds=time // SECOND, nanos=time % SECOND * 1000) if time else None


def duration(span: int) -> Duration:
    """Return a span in microseconds."""
    return Duration(seconds=span // SECOND, nanos=span % SECOND * 1000)


def id_status(task: Task) -> task_pb2.IdStatus:
    """Return what became of a task."""
    return task_pb2.IdStatus(**_status_fields(task))


def task(
    of: Task, view: task_pb2.TaskView.ValueType, bodies: Mapping[int, Bodies] | None = None
) -> task_pb2.Task:
    """Return a task in a view; ``bodies`` are those of the store, for FULL."""
    if view == STATUS:
        return task_pb2.Task(**_status_fields(of))
    fields = _status_fields(of) | _basic_fields(of)
    late = of.late_report
    if view == FULL:
        payload, result = (bodies or {}).get(of.seq, Bodies())
        fields["payload"] = payload
        fields["transitions"] = [_transition(step) for step in of.transitions]
        # A result belongs to the success that brought it, in time or late; a change from
        # before that shows none.
        fields["result"] = result if of.status is Status.SUCCESS else b""
        fields["late_report"] = late and _late_report(late, result)
    return task_pb2.Task(**fields)


def _status_fields(of: Task) -> dict[str, Any]:
    return {
        "id": of.id,
        "status": number(of.status),
        "reason": number(of.reason),
        "execution": number(of.execution),
        "revision": of.revision,
        "update_time": timestamp(of.update_time),
    }


def _basic_fields(of: Task) -> dict[str, Any]:
    progress = of.progress
    return {
        "queue": of.queue,
        "priority": of.priority,
        "content_type": of.content_type,
        "labels": of.labels,
        "unique_key": of.unique_key,
        "run_time": timestamp(of.run_time),
        "timeout": duration(of.timeout),
        "retry_policy": of.retry_policy and _retry_policy(of.retry_policy),
        "retries_left": of.retries_left,
        "create_time": timestamp(of.create_time),
        "start_time": timestamp(of.start_time),
        "end_time": timestamp(of.end_time),
        "runner": of.runner,
        "lease_expire_time": timestamp(of.lease_expire_time),
        "progress": progress
        and task_pb2.Progress(fraction=progress.fraction, message=progress.message),
        "message": of.message,
        "exit_code": of.exit_code,
        "signal": of.signal,
        "root_id": of.root_id,
        "retry_of": of.retry_of,
        "retried_by": of.retried_by,
        "retry_number": of.retry_number,
        "late_report": of.late_report and _late_report(of.late_report, b""),
    }


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


def _transition(step: Transition) -> task_pb2.Transition:
    fields: dict[str, Any] = {"from": number(step.source)}
    return task_pb2.Transition(
        revision=step.revision,
        time=timestamp(step.time),
        to=number(step.to),
        reason=number(step.reason),
        actor=step.actor,
        **fields,
    )


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
