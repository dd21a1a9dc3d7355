"""One trustworthy answer to: what became of task X?

`Client` (blocking) and `AsyncClient` (asyncio) create tasks and tell what became of them;
`Runner` does them.
"""

from idstatus.channel import Token, tls_credentials
from idstatus.clients import AsyncClient, Client
from idstatus.core.aio import AsyncStream
from idstatus.core.blocking import Stream
from idstatus.errors import (
    AlreadyExistsError,
    CallerLimitError,
    CredentialsExpiredError,
    DeadlineExceededError,
    DrainingError,
    FailedPreconditionError,
    FieldViolation,
    IdstatusError,
    InvalidArgumentError,
    InvalidFieldError,
    InvalidTokenError,
    LeaseNotHeldError,
    NotFoundError,
    OutOfRangeError,
    OverloadedError,
    PermissionDeniedError,
    QueueNotFoundError,
    RequestIdReusedError,
    ResourceExhaustedError,
    RevisionCompactedError,
    RevisionInFutureError,
    RpcError,
    StoreUnavailableError,
    TaskAlreadyRetriedError,
    TaskExistsError,
    TaskFinishedError,
    TaskNotFinishedError,
    TaskNotFoundError,
    TaskNotRunningError,
    TooManyWatchesError,
    UnauthenticatedError,
    UnavailableError,
    UniqueKeyHeldError,
    WaitTimeoutError,
    WatcherTooSlowError,
)
from idstatus.methods.producing import CancelResult
from idstatus.models.body import Body
from idstatus.models.change import Change, ChangeBatch
from idstatus.models.enums import (
    ChangeType,
    Execution,
    LeaseState,
    ListOrder,
    NextStep,
    Obstacle,
    Reason,
    Status,
    TaskView,
)
from idstatus.models.explanation import Explanation
from idstatus.models.filter import TaskFilter
from idstatus.models.lease import Claim, Lease, LeaseResult, Report
from idstatus.models.new_task import NewTask
from idstatus.models.outcome import Failure, Outcome, Stopped, Success
from idstatus.models.queue import Queue, QueueCounts
from idstatus.models.task import IdStatus, LateReport, Progress, RetryPolicy, Task, Transition
from idstatus.models.wire import Duration
from idstatus.runner.context import TaskContext, TaskError
from idstatus.runner.handler import Handler
from idstatus.runner.runner import Runner

__all__ = [
    "AlreadyExistsError",
    "AsyncClient",
    "AsyncStream",
    "Body",
    "CallerLimitError",
    "CancelResult",
    "Change",
    "ChangeBatch",
    "ChangeType",
    "Claim",
    "Client",
    "CredentialsExpiredError",
    "DeadlineExceededError",
    "DrainingError",
    "Duration",
    "Execution",
    "Explanation",
    "FailedPreconditionError",
    "Failure",
    "FieldViolation",
    "Handler",
    "IdStatus",
    "IdstatusError",
    "InvalidArgumentError",
    "InvalidFieldError",
    "InvalidTokenError",
    "LateReport",
    "Lease",
    "LeaseNotHeldError",
    "LeaseResult",
    "LeaseState",
    "ListOrder",
    "NewTask",
    "NextStep",
    "NotFoundError",
    "Obstacle",
    "OutOfRangeError",
    "Outcome",
    "OverloadedError",
    "PermissionDeniedError",
    "Progress",
    "Queue",
    "QueueCounts",
    "QueueNotFoundError",
    "Reason",
    "Report",
    "RequestIdReusedError",
    "ResourceExhaustedError",
    "RetryPolicy",
    "RevisionCompactedError",
    "RevisionInFutureError",
    "RpcError",
    "Runner",
    "Status",
    "Stopped",
    "StoreUnavailableError",
    "Stream",
    "Success",
    "Task",
    "TaskAlreadyRetriedError",
    "TaskContext",
    "TaskError",
    "TaskExistsError",
    "TaskFilter",
    "TaskFinishedError",
    "TaskNotFinishedError",
    "TaskNotFoundError",
    "TaskNotRunningError",
    "TaskView",
    "Token",
    "TooManyWatchesError",
    "Transition",
    "UnauthenticatedError",
    "UnavailableError",
    "UniqueKeyHeldError",
    "WaitTimeoutError",
    "WatcherTooSlowError",
    "tls_credentials",
]
