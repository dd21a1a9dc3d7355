"""From gRPC's errors to ours: the one place that knows the tables."""

from collections.abc import Iterator
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from idstatus import errors

_BY_REASON: dict[str, type[errors.RpcError]] = {
    "TASK_NOT_FOUND": errors.TaskNotFoundError,
    "QUEUE_NOT_FOUND": errors.QueueNotFoundError,
    "TASK_EXISTS": errors.TaskExistsError,
    "UNIQUE_KEY_HELD": errors.UniqueKeyHeldError,
    "REQUEST_ID_REUSED": errors.RequestIdReusedError,
    "TASK_FINISHED": errors.TaskFinishedError,
    "TASK_NOT_RUNNING": errors.TaskNotRunningError,
    "TASK_NOT_FINISHED": errors.TaskNotFinishedError,
    "TASK_ALREADY_RETRIED": errors.TaskAlreadyRetriedError,
    "LEASE_NOT_HELD": errors.LeaseNotHeldError,
    "INVALID_FIELD": errors.InvalidFieldError,
    "INVALID_TOKEN": errors.InvalidTokenError,
    "REVISION_COMPACTED": errors.RevisionCompactedError,
    "REVISION_IN_FUTURE": errors.RevisionInFutureError,
    "WATCHER_TOO_SLOW": errors.WatcherTooSlowError,
    "TOO_MANY_WATCHES": errors.TooManyWatchesError,
    "OVERLOADED": errors.OverloadedError,
    "DRAINING": errors.DrainingError,
    "STORE_UNAVAILABLE": errors.StoreUnavailableError,
    "CREDENTIALS_EXPIRED": errors.CredentialsExpiredError,
    "CALLER_LIMIT": errors.CallerLimitError,
}

_BY_CODE: dict[grpc.StatusCode, type[errors.RpcError]] = {
    grpc.StatusCode.NOT_FOUND: errors.NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: errors.AlreadyExistsError,
    grpc.StatusCode.FAILED_PRECONDITION: errors.FailedPreconditionError,
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidArgumentError,
    grpc.StatusCode.OUT_OF_RANGE: errors.OutOfRangeError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.ResourceExhaustedError,
    grpc.StatusCode.UNAVAILABLE: errors.UnavailableError,
    grpc.StatusCode.UNAUTHENTICATED: errors.UnauthenticatedError,
    grpc.StatusCode.PERMISSION_DENIED: errors.PermissionDeniedError,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceededError,
}

_CODES = {code.value[0]: code for code in grpc.StatusCode}

M = TypeVar("M", bound=Message)


def from_grpc(error: Any) -> errors.RpcError:
    """Return our exception for one of grpc's, which is a call or knows as much as one."""
    try:
        status = rpc_status.from_call(error)
    except (ValueError, DecodeError):  # a proxy changed the code, or the details are torn
        status = None
    if status is None:
        status = status_pb2.Status(code=error.code().value[0], message=error.details() or "")
    return from_status(status)


def from_status(status: status_pb2.Status) -> errors.RpcError:
    """Return the exception for a status, as items of a batch carry it."""
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    info = next(_details(status, error_details_pb2.ErrorInfo), error_details_pb2.ErrorInfo())
    retry = next(_details(status, error_details_pb2.RetryInfo), None)
    violations = [
        errors.FieldViolation(violation.field, violation.description)
        for fault in _details(status, error_details_pb2.BadRequest)
        for violation in fault.field_violations
    ]
    error_class = _BY_REASON.get(info.reason) or _BY_CODE.get(code, errors.RpcError)
    return error_class(
        status.message or code_pb2.Code.Name(code.value[0]),
        code=code,
        reason=info.reason,
        metadata=info.metadata,
        retry_after=retry.retry_delay.ToTimedelta().total_seconds() if retry else None,
        violations=tuple(violations),
    )


def _details(status: status_pb2.Status, wanted: type[M]) -> Iterator[M]:
    """Yield a status's details of one type."""
    for detail in status.details:
        message = wanted()
        if detail.Unpack(message):
            yield message
