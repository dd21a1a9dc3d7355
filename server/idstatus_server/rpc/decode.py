"""From the schema to the domain. Every fault of a request is reported at once."""

import hashlib
import math
from collections.abc import Mapping
from typing import Any

from google.protobuf.message import Message

from idstatus.v1 import runner_service_pb2 as runners
from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as tasks
from idstatus_server.access import caller
from idstatus_server.engine.commands import NewTask, Report, WantedLease
from idstatus_server.engine.commands.request import RequestKey
from idstatus_server.lifecycle import FAILURES, Reason, Status
from idstatus_server.limits import DEFAULT_QUEUE
from idstatus_server.model import Filter, Outcome, Progress, RetryPolicy
from idstatus_server.rpc.fields import Fields

_STATUSES = frozenset(map(int, Status))
_VIEWS = (task_pb2.TASK_VIEW_STATUS, task_pb2.TASK_VIEW_BASIC, task_pb2.TASK_VIEW_FULL)


def request_key(fields: Fields, request: Any) -> RequestKey:
    """Return a request's id and the fingerprint of the rest of it."""
    request_id = fields.id("request_id", request.request_id, optional=True)
    if not request_id:
        return RequestKey()
    rest = type(request)()
    rest.CopyFrom(request)
    rest.ClearField("request_id")
    body = request.DESCRIPTOR.full_name.encode() + _canonical(rest)
    fingerprint = hashlib.blake2b(body, digest_size=16).digest()
    return RequestKey(request_id, fingerprint, caller.get().name)


def _canonical(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


def view(
    fields: Fields, wanted: int, default: task_pb2.TaskView.ValueType
) -> task_pb2.TaskView.ValueType:
    """Return the view asked for, or the method's default."""
    if not wanted:
        return default
    if wanted not in _VIEWS:
        fields.fault("view", f"is not a view: {wanted}")
    return task_pb2.TaskView.ValueType(wanted)


def new_task(fields: Fields, request: tasks.CreateTaskRequest, now: int) -> NewTask:
    """Return what to create; ``now`` bounds its run time."""
    limits = fields.limits
    return NewTask(
        queue=fields.queue("queue", request.queue, default=DEFAULT_QUEUE),
        payload=fields.size("payload", request.payload),
        content_type=fields.text("content_type", request.content_type, limits.short_text),
        priority=fields.number("priority", request.priority, 0, limits.priority),
        labels=_labels(fields, request.labels),
        unique_key=fields.text("unique_key", request.unique_key, limits.short_text),
        delay=fields.span("delay", request, 0, limits.delay),
        run_time=fields.time("run_time", request, latest=now + limits.delay) or 0,
        timeout=fields.span(
            "timeout", request, limits.min_timeout, limits.timeout, limits.default_timeout
        ),
        retry_policy=_retry_policy(fields, request),
        task_id=fields.id("task_id", request.task_id, optional=True),
        key=request_key(fields, request),
    )


def _labels(fields: Fields, labels: Mapping[str, str]) -> dict[str, str]:
    limits = fields.limits
    keys = fields.at_most("labels", labels, limits.labels)
    for key in keys:
        if not 1 <= len(key) <= limits.label_key or "\0" in key:
            rule = f"keys must have 1 to {limits.label_key} characters, none of them NUL"
            fields.fault("labels", f"{rule}: {key[:20]!r}")
        fields.text(f"labels[{key[:20]}]", labels[key], limits.label_value)
    return {key: labels[key] for key in keys}


def _retry_policy(outer: Fields, request: tasks.CreateTaskRequest) -> RetryPolicy | None:
    if not request.HasField("retry_policy"):
        return None
    fields, policy, limits = outer.at("retry_policy"), request.retry_policy, outer.limits
    multiplier = policy.backoff_multiplier or 1.0
    if not 1 <= multiplier <= limits.max_backoff_multiplier:  # NaN is not, either
        fields.fault(
            "backoff_multiplier", f"must be 1 to {limits.max_backoff_multiplier:g}, is {multiplier}"
        )
    reasons = fields.at_most("retryable_reasons", policy.retryable_reasons, limits.batch)
    for reason in reasons:
        fields.member("retryable_reasons", reason, sorted(FAILURES))
    return RetryPolicy(
        max_retries=fields.number("max_retries", policy.max_retries, 0, limits.max_retries),
        retry_delay=fields.span("retry_delay", policy, 0, limits.delay, limits.default_retry_delay),
        backoff_multiplier=multiplier,
        max_retry_delay=fields.span("max_retry_delay", policy, 0, limits.delay),
        retryable_reasons=tuple(_reason(reason) for reason in reasons),
    )


def task_filter(outer: Fields, wanted: task_pb2.TaskFilter) -> Filter:
    """Return a filter."""
    fields = outer.at("filter")
    statuses = fields.at_most("statuses", wanted.statuses, fields.limits.batch)
    for status in statuses:
        fields.member("statuses", status, sorted(Status))
    queues = fields.at_most("queues", wanted.queues, fields.limits.batch)
    for queue in queues:
        fields.queue("queues", queue)
    fields.id("root_id", wanted.root_id, optional=True)
    span = fields.at("create_time")
    return Filter(
        queues=frozenset(queues),
        statuses=frozenset(Status(s) for s in map(int, statuses) if s in _STATUSES),
        labels=_labels(fields, wanted.labels),
        root_id=wanted.root_id,
        created_from=span.time("start", wanted.create_time) or 0,
        created_before=span.time("end", wanted.create_time),
        has_late_report=wanted.has_late_report if wanted.HasField("has_late_report") else None,
        scope=caller.get().allowed,
    )


def lease(fields: Fields, wanted: runners.Lease) -> WantedLease:
    """Return a lease to extend."""
    limits = fields.limits
    return WantedLease(
        id=fields.id("id", wanted.id),
        token=wanted.lease_token,
        progress=_progress(fields.at("progress"), wanted),
        duration=fields.span("lease_duration", wanted, limits.min_lease, limits.max_lease),
    )


def _progress(fields: Fields, wanted: runners.Lease) -> Progress | None:
    if not wanted.HasField("progress"):
        return None
    fraction = wanted.progress.fraction
    if not 0 <= fraction <= 1 or math.isnan(fraction):
        fields.fault("fraction", f"must be 0 to 1, is {fraction}")
    message = fields.text("message", wanted.progress.message, fields.limits.progress_text)
    return Progress(fraction=fraction, message=message)


def report(fields: Fields, said: runners.Report) -> Report:
    """Return a runner's report."""
    fields.id("id", said.id)
    kind = said.WhichOneof("outcome")
    if kind == "success":
        result = fields.at("success").size("result", said.success.result)
        return Report(said.id, said.lease_token, Outcome(status=Status.SUCCESS), result)
    if kind == "error":
        return Report(said.id, said.lease_token, _failure(fields.at("error"), said.error))
    if kind is None:
        fields.fault("outcome", "must be success, error or stopped")
    return Report(said.id, said.lease_token, Outcome(status=Status.CANCELLED))


def _failure(fields: Fields, failure: task_pb2.Failure) -> Outcome:
    fields.member("reason", failure.reason, sorted(FAILURES))
    return Outcome(
        status=Status.ERROR,
        reason=_reason(failure.reason),
        message=fields.text("message", failure.message, fields.limits.long_text),
        exit_code=failure.exit_code if failure.HasField("exit_code") else None,
        signal=failure.signal if failure.HasField("signal") else None,
    )


def _reason(value: int) -> Reason:
    """Return a failure's reason; a value that is none was noted as a fault before."""
    return Reason(value) if value in set(map(int, FAILURES)) else Reason.NONE
