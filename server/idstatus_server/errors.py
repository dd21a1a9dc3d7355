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
    StreamAgedError, KeysUnavailableError
StartError
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple


class DomainError(Exception):
    """A request that was refused. It has changed nothing unless it says so.

    ``reason`` is ErrorInfo's, ``metadata`` holds every value that the message names, as text.
    """

    reason: ClassVar[str]

    def __init__(self, message: str, **metadata: object) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = {key: str(value) for key, value in metadata.items()}


class UnauthenticatedError(DomainError):
    """Who calls is not known."""


class NotFoundError(DomainError):
    """What the request names does not exist."""


class AlreadyExistsError(DomainError):
    """What the request would create is taken."""


class PreconditionError(DomainError):
    """The task is not in a state for this."""


class InvalidError(DomainError):
    """The request itself is wrong."""


class RevisionError(DomainError):
    """The log does not hold what the token asks for."""


class ExhaustedError(DomainError):
    """A limit is reached; later may work. ``retry_after`` is in seconds."""

    retry_after: ClassVar[float] = 1.0


class UnavailableError(DomainError):
    """The server cannot serve now; later, or another replica, will."""

    retry_after: ClassVar[float] = 0.5


class NoCredentialsError(UnauthenticatedError):
    """The call carries nothing that tells who makes it."""

    reason = "NO_CREDENTIALS"

    def __init__(self) -> None:
        super().__init__("the call carries neither a bearer token nor a certificate known here")


class BadCredentialsError(UnauthenticatedError):
    """The token is not valid. Why is for the server's log: who guesses is told nothing."""

    reason = "BAD_CREDENTIALS"

    def __init__(self) -> None:
        super().__init__("the bearer token is not valid here")


class CredentialsExpiredError(UnauthenticatedError):
    """The token was valid, and is no more: come back with a new one."""

    reason = "CREDENTIALS_EXPIRED"

    def __init__(self) -> None:
        super().__init__("the bearer token has expired: get a new one; a stream can be resumed")


class NotPermittedError(DomainError):
    """The caller may not do this."""

    reason = "NOT_PERMITTED"


class TaskNotFoundError(NotFoundError):
    """No task has this id."""

    reason = "TASK_NOT_FOUND"

    def __init__(self, task_id: str) -> None:
        super().__init__(f"there is no task {task_id}", id=task_id)


class QueueNotFoundError(NotFoundError):
    """No queue has this name: no task was ever created in it."""

    reason = "QUEUE_NOT_FOUND"

    def __init__(self, queue: str) -> None:
        super().__init__(f"there is no queue {queue}", queue=queue)


class TaskExistsError(AlreadyExistsError):
    """The chosen id is, or was, a task's."""

    reason = "TASK_EXISTS"

    def __init__(self, task_id: str) -> None:
        super().__init__(f"the id {task_id} is taken: an id is used once", id=task_id)


class UniqueKeyHeldError(AlreadyExistsError):
    """An unfinished task holds the unique key."""

    reason = "UNIQUE_KEY_HELD"

    def __init__(self, key: str, task_id: str = "") -> None:
        """Make one; without an id it does not tell of a task that the caller may not see."""
        known = {"id": task_id} if task_id else {}
        who = f"the unfinished task {task_id}" if task_id else "a task of another queue"
        super().__init__(f"the unique key {key} is held by {who}", unique_key=key, **known)


class RequestIdReusedError(AlreadyExistsError):
    """The request id was used with another body."""

    reason = "REQUEST_ID_REUSED"

    def __init__(self, request_id: str) -> None:
        super().__init__(
            f"the request id {request_id} was used with another request", request_id=request_id
        )


class TaskFinishedError(PreconditionError):
    """The task is terminal."""

    reason = "TASK_FINISHED"


class TaskNotRunningError(PreconditionError):
    """The task is not running."""

    reason = "TASK_NOT_RUNNING"


class TaskNotFinishedError(PreconditionError):
    """The task is not terminal."""

    reason = "TASK_NOT_FINISHED"


class TaskAlreadyRetriedError(PreconditionError):
    """The task has a retry; retry the last of the chain."""

    reason = "TASK_ALREADY_RETRIED"

    def __init__(self, task_id: str, retried_by: str) -> None:
        super().__init__(
            f"the task {task_id} was retried already, by {retried_by}",
            id=task_id,
            retried_by=retried_by,
        )


class LeaseNotHeldError(PreconditionError):
    """The lease token is not the task's."""

    reason = "LEASE_NOT_HELD"

    def __init__(self, task_id: str) -> None:
        super().__init__(f"the lease token is not the one of task {task_id}", id=task_id)


class Violation(NamedTuple):
    """What is wrong with one field of a request."""

    field: str
    description: str


class InvalidFieldError(InvalidError):
    """One or more fields break their rules; ``violations`` lists each fault.

    An error travels in the trailing metadata, of which clients take 8 KiB: of very many
    faults, the first are told.
    """

    reason = "INVALID_FIELD"

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = tuple(_first(violations, size=1000))
        faults = "; ".join(f"{v.field}: {v.description}" for v in self.violations[:3])
        if len(violations) > 3:
            faults += f"; and {len(violations) - 3} more"
        fields = ",".join(v.field for v in self.violations)
        super().__init__(faults, fields=fields, faults=faults)


def _first(violations: Sequence[Violation], size: int) -> Iterator[Violation]:
    """Yield about so many bytes of violations: on the wire each counts several times over."""
    for violation in violations:
        yield violation
        size -= len("".join(violation).encode())
        if size <= 0:
            return


class InvalidTokenError(InvalidError):
    """A page or resume token that is not ours, or not for this request."""

    reason = "INVALID_TOKEN"


class RevisionCompactedError(RevisionError):
    """The token is older than what the log keeps."""

    reason = "REVISION_COMPACTED"

    def __init__(self, revision: int, oldest: int) -> None:
        super().__init__(
            f"revision {revision} is older than {oldest}, the oldest one that a watch can "
            "resume from: start anew, from a snapshot",
            revision=revision,
            oldest_revision=oldest,
        )


class RevisionInFutureError(RevisionError):
    """The token knows what the store does not: the store has lost what it once had."""

    reason = "REVISION_IN_FUTURE"

    def __init__(self, revision: int, newest: int) -> None:
        what = (
            f"is ahead of {newest}, the newest one"
            if revision > newest
            else f"was lost by the database, which has since come to {newest} another way"
        )
        super().__init__(
            f"revision {revision} {what}: start anew, from a snapshot",
            revision=revision,
            newest_revision=newest,
        )


class WatcherTooSlowError(ExhaustedError):
    """The watcher took nothing for too long."""

    reason = "WATCHER_TOO_SLOW"


class TooManyWatchesError(ExhaustedError):
    """The server holds as many streams as it may."""

    reason = "TOO_MANY_WATCHES"


class OverloadedError(ExhaustedError):
    """The server has as many requests in flight as it may."""

    reason = "OVERLOADED"


class CallerLimitError(ExhaustedError):
    """The caller has as much under way as one caller may, or calls too often."""

    reason = "CALLER_LIMIT"


class DrainingError(UnavailableError):
    """The server is shutting down."""

    reason = "DRAINING"

    def __init__(self) -> None:
        super().__init__("the server is draining: connect anew")


class StoreUnavailableError(UnavailableError):
    """The store cannot be reached, or cannot write. What it holds is safe."""

    reason = "STORE_UNAVAILABLE"


class StoreDamagedError(StoreUnavailableError):
    """What the store holds cannot be read as it was written: someone must repair it."""

    def __init__(self, damage: object) -> None:
        super().__init__(
            f"the store is damaged: {damage}; its operator must stop the server, run "
            "idstatus-server check and put a backup in its place",
            damage=damage,
        )


class LateAnswerError(UnavailableError):
    """No answer by the call's deadline. Callers are told that the store is away; it may be us."""

    reason = StoreUnavailableError.reason


class StreamAgedError(UnavailableError):
    """The stream has reached its maximum age."""

    reason = "STREAM_AGED"

    def __init__(self) -> None:
        super().__init__("the stream has reached its maximum age: resume it")


class KeysUnavailableError(UnavailableError):
    """The keys with which tokens are signed cannot be fetched."""

    reason = "KEYS_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("the keys that tell whether a token is valid are out of reach")


class StartError(Exception):
    """The server cannot start; the message is one line for the operator."""
