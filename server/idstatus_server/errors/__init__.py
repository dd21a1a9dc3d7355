"""The domain's exceptions. What each becomes on the wire is in ``rpc/errors.py``.

DomainError
  UnauthenticatedError
    NoCredentialsError, BadCredentialsError, CredentialsExpiredError
  NotPermittedError
  NotFoundError
    TaskNotFoundError, QueueNotFoundError
  AlreadyExistsError
    TaskExistsError, UniqueKeyHeldError, RequestIdReusedError
  PreconditionError
    TaskFinishedError, TaskNotRunningError, TaskNotFinishedError,
    TaskAlreadyRetriedError, LeaseNotHeldError
  InvalidError
    InvalidFieldError, InvalidTokenError
  RevisionError
    RevisionCompactedError, RevisionInFutureError
  ExhaustedError
    WatcherTooSlowError, TooManyWatchesError, OverloadedError, CallerLimitError
  UnavailableError
    DrainingError, StoreUnavailableError (StoreDamagedError), LateAnswerError,
    StreamAgedError, KeysUnavailableError, CallerChangedError
StartError
"""

from idstatus_server.errors.base import (
    AlreadyExistsError,
    DomainError,
    ExhaustedError,
    InvalidError,
    NotFoundError,
    PreconditionError,
    RevisionError,
    UnauthenticatedError,
    UnavailableError,
)
from idstatus_server.errors.callers import (
    BadCredentialsError,
    CallerChangedError,
    CallerLimitError,
    CredentialsExpiredError,
    KeysUnavailableError,
    NoCredentialsError,
    NotPermittedError,
)
from idstatus_server.errors.requests import (
    InvalidFieldError,
    InvalidTokenError,
    RevisionCompactedError,
    RevisionInFutureError,
    Violation,
)
from idstatus_server.errors.server import (
    DrainingError,
    LateAnswerError,
    OverloadedError,
    StartError,
    StoreDamagedError,
    StoreUnavailableError,
    StreamAgedError,
    TooManyWatchesError,
    WatcherTooSlowError,
)
from idstatus_server.errors.tasks import (
    LeaseNotHeldError,
    QueueNotFoundError,
    RequestIdReusedError,
    TaskAlreadyRetriedError,
    TaskExistsError,
    TaskFinishedError,
    TaskNotFinishedError,
    TaskNotFoundError,
    TaskNotRunningError,
    UniqueKeyHeldError,
)

__all__ = [
    "AlreadyExistsError",
    "BadCredentialsError",
    "CallerChangedError",
    "CallerLimitError",
    "CredentialsExpiredError",
    "DomainError",
    "DrainingError",
    "ExhaustedError",
    "InvalidError",
    "InvalidFieldError",
    "InvalidTokenError",
    "KeysUnavailableError",
    "LateAnswerError",
    "LeaseNotHeldError",
    "NoCredentialsError",
    "NotFoundError",
    "NotPermittedError",
    "OverloadedError",
    "PreconditionError",
    "QueueNotFoundError",
    "RequestIdReusedError",
    "RevisionCompactedError",
    "RevisionError",
    "RevisionInFutureError",
    "StartError",
    "StoreDamagedError",
    "StoreUnavailableError",
    "StreamAgedError",
    "TaskAlreadyRetriedError",
    "TaskExistsError",
    "TaskFinishedError",
    "TaskNotFinishedError",
    "TaskNotFoundError",
    "TaskNotRunningError",
    "TooManyWatchesError",
    "UnauthenticatedError",
    "UnavailableError",
    "UniqueKeyHeldError",
    "Violation",
    "WatcherTooSlowError",
]
