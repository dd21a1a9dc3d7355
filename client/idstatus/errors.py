"""The exceptions, by what went wrong.

IdstatusError
├── RpcError                         a call failed; its code, reason and metadata tell why
│   ├── NotFoundError
│   │   ├── TaskNotFoundError
│   │   └── QueueNotFoundError
│   ├── AlreadyExistsError
│   │   ├── TaskExistsError
│   │   ├── UniqueKeyHeldError
│   │   └── RequestIdReusedError
│   ├── FailedPreconditionError
│   │   ├── TaskFinishedError
│   │   ├── TaskNotRunningError
│   │   ├── TaskNotFinishedError
│   │   ├── TaskAlreadyRetriedError
│   │   └── LeaseNotHeldError
│   ├── InvalidArgumentError
│   │   ├── InvalidFieldError        .violations: one per faulty field
│   │   └── InvalidTokenError
│   ├── OutOfRangeError
│   │   ├── RevisionCompactedError
│   │   └── RevisionInFutureError
│   ├── ResourceExhaustedError
│   │   ├── WatcherTooSlowError
│   │   ├── TooManyWatchesError
│   │   ├── OverloadedError
│   │   └── CallerLimitError
│   ├── UnavailableError             also: no server there
│   │   ├── DrainingError
│   │   └── StoreUnavailableError
│   ├── UnauthenticatedError
│   │   └── CredentialsExpiredError
│   ├── PermissionDeniedError
│   └── DeadlineExceededError        (is a TimeoutError)
└── WaitTimeoutError                 (is a TimeoutError) the task was not terminal in time

What no class fits is a plain `RpcError`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import grpc

from idstatus.models.task import Task


class IdstatusError(Exception):
    """Whatever this package raises about the service."""


class WaitTimeoutError(IdstatusError, TimeoutError):
    """The task was not terminal when the time was over; `task` is how it then was."""

    def __init__(self, task: Task) -> None:
        super().__init__(f"task {task.id} is still {task.status}")
        self.task = task


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One fault of a request."""

    field: str
    """The path to the field, for example `requests[3].queue`."""
    description: str


class RpcError(IdstatusError):
    """A call failed.

    Attributes:
        code: The gRPC status code.
        reason: The ErrorInfo's reason, for example "TASK_NOT_FOUND"; empty if there is none.
        message: What the server says, for people.
        metadata: Every value that the message names, by name.
        retry_after: How many seconds the server asks to wait before trying again, or None.
        violations: For a faulty request: which fields, and why.
    """

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        retry_after: float | None = None,
        violations: tuple[FieldViolation, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.retry_after = retry_after
        self.violations = violations

    def __str__(self) -> str:
        return f"{self.message} [{self.reason or self.code.name}]"


class NotFoundError(RpcError):
    """There is no such thing."""


class TaskNotFoundError(NotFoundError):
    """No task has this id; it was never created, or it was deleted."""


class QueueNotFoundError(NotFoundError):
    """No queue has this name: it exists from its first task on."""


class AlreadyExistsError(RpcError):
    """Something already has this name."""


class TaskExistsError(AlreadyExistsError):
    """The chosen id is taken."""


class UniqueKeyHeldError(AlreadyExistsError):
    """An unfinished task holds the unique key."""


class RequestIdReusedError(AlreadyExistsError):
    """The request id was used with another body."""


class FailedPreconditionError(RpcError):
    """The task's state does not allow it; nothing was changed."""


class TaskFinishedError(FailedPreconditionError):
    """The task is terminal."""


class TaskNotRunningError(FailedPreconditionError):
    """The task does not run."""


class TaskNotFinishedError(FailedPreconditionError):
    """The task is not terminal yet."""


class TaskAlreadyRetriedError(FailedPreconditionError):
    """The task was retried already, by the one in `metadata["retried_by"]`."""


class LeaseNotHeldError(FailedPreconditionError):
    """The lease token is not the task's."""


class InvalidArgumentError(RpcError):
    """The request can never work."""


class InvalidFieldError(InvalidArgumentError):
    """Fields are faulty: see `violations`."""


class InvalidTokenError(InvalidArgumentError):
    """A page or resume token that is not the server's, or arguments changed under it."""


class OutOfRangeError(RpcError):
    """A resume token that no log entry answers to."""


class RevisionCompactedError(OutOfRangeError):
    """The token is older than `metadata["oldest_revision"]`: watch anew, from a snapshot."""


class RevisionInFutureError(OutOfRangeError):
    """The token is from the future: the store has lost changes."""


class ResourceExhaustedError(RpcError):
    """Too much at once: try again after `retry_after`."""


class WatcherTooSlowError(ResourceExhaustedError):
    """The watcher took nothing for too long."""


class TooManyWatchesError(ResourceExhaustedError):
    """The server has no room for another watch."""


class OverloadedError(ResourceExhaustedError):
    """The server has too many requests in flight."""


class CallerLimitError(ResourceExhaustedError):
    """This caller has as much under way as one may, or calls too often."""


class UnavailableError(RpcError):
    """The server is out of reach: try again after `retry_after`."""


class DrainingError(UnavailableError):
    """The server shuts down."""


class StoreUnavailableError(UnavailableError):
    """The server cannot reach its store."""


class UnauthenticatedError(RpcError):
    """No credentials, or bad ones."""


class CredentialsExpiredError(UnauthenticatedError):
    """The token was valid, and is no more."""


class PermissionDeniedError(RpcError):
    """The credentials do not allow it."""


class DeadlineExceededError(RpcError, TimeoutError):
    """The call took too long. Whether the server did it is unknown."""
