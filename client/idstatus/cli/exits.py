"""The exit statuses: what a script gets to know."""

import grpc

from idstatus.errors import IdstatusError, RpcError
from idstatus.models.enums import Status
from idstatus.models.task import IdStatus

FAILED, USAGE, NOT_FOUND, UNAVAILABLE, NOT_ALLOWED = 1, 2, 3, 4, 5
INTERRUPTED = 130

MEANINGS = {
    0: "done",
    FAILED: "refused or failed",
    USAGE: "the command line, a field or a context is wrong",
    NOT_FOUND: "not found",
    UNAVAILABLE: "no answer from the server, or it has too much to do: try again",
    NOT_ALLOWED: "no or bad credentials, or they do not allow it",
    INTERRUPTED: "interrupted",
}
OF_WAITS = {
    10: "the task ended in error",
    11: "it was cancelled",
    12: "it has not ended yet",
}


def _list(meanings: dict[int, str]) -> str:
    return "; ".join(f"{status} {meaning}" for status, meaning in meanings.items())


HELP = f"Exit status: {_list(MEANINGS)}. wait and exec --wait also: {_list(OF_WAITS)}."

_BY_CODE = {
    grpc.StatusCode.INVALID_ARGUMENT: USAGE,
    grpc.StatusCode.NOT_FOUND: NOT_FOUND,
    grpc.StatusCode.UNAVAILABLE: UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED: UNAVAILABLE,
    grpc.StatusCode.UNAUTHENTICATED: NOT_ALLOWED,
    grpc.StatusCode.PERMISSION_DENIED: NOT_ALLOWED,
}

_BY_STATUS = {Status.SUCCESS: 0, Status.ERROR: 10, Status.CANCELLED: 11}
_UNFINISHED = 12


def of_error(error: IdstatusError) -> int:
    """Return the exit status for a call that failed."""
    return _BY_CODE.get(error.code, FAILED) if isinstance(error, RpcError) else FAILED


def of_task(task: IdStatus) -> int:
    """Return the exit status for what became of a task."""
    return _BY_STATUS.get(task.status, _UNFINISHED)
