"""The exit statuses: what a script gets to know."""

import grpc

from idstatus.errors import IdstatusError, RpcError
from idstatus.models.enums import Status
from idstatus.models.task import IdStatus

FAILED = 1
USAGE = 2
NOT_FOUND = 3
UNAVAILABLE = 4

HELP = (
    "Exit status: 0 done; 1 refused or failed; 2 the command line or a field is wrong; 3 not found;"
    " 4 no answer from the server, or it has too much to do: try again; 130 interrupted. wait and"
    " exec --wait also: 10 the task ended in error; 11 it was cancelled; 12 it has not ended yet."
)

_BY_CODE = {
    grpc.StatusCode.INVALID_ARGUMENT: USAGE,
    grpc.StatusCode.NOT_FOUND: NOT_FOUND,
    grpc.StatusCode.UNAVAILABLE: UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED: UNAVAILABLE,
}

_BY_STATUS = {Status.SUCCESS: 0, Status.ERROR: 10, Status.CANCELLED: 11}
_UNFINISHED = 12


def of_error(error: IdstatusError) -> int:
    """Return the exit status for a call that failed."""
    return _BY_CODE.get(error.code, FAILED) if isinstance(error, RpcError) else FAILED


def of_task(task: IdStatus) -> int:
    """Return the exit status for what became of a task."""
    return _BY_STATUS.get(task.status, _UNFINISHED)
