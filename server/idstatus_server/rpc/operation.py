"""A task as a google.longrunning.Operation."""

from collections.abc import Mapping

import grpc
from google.longrunning import operations_pb2 as pb
from google.rpc.error_details_pb2 import ErrorInfo

from idstatus.v1 import task_pb2
from idstatus_server.lifecycle import Reason, Status
from idstatus_server.limits import OPERATIONS
from idstatus_server.model import Task
from idstatus_server.rpc import encode
from idstatus_server.rpc.errors import DOMAIN, status
from idstatus_server.store.base import Bodies

# By the words of google.rpc.Code: work whose time is up may have been done all the same, which
# DEADLINE_EXCEEDED says; what was ended by force is worth another try, by a task of its own,
# which ABORTED says; how a program failed is told in the program's own terms, which UNKNOWN says
# (INTERNAL would say that the server is broken). The messages are for tasks that have none.
OUTCOMES: dict[Reason, tuple[grpc.StatusCode, str]] = {
    Reason.TIMEOUT: (grpc.StatusCode.DEADLINE_EXCEEDED, "the task's time was up"),
    Reason.KILLED: (grpc.StatusCode.ABORTED, "the task was ended by force"),
    Reason.BAD_EXIT: (grpc.StatusCode.UNKNOWN, "the task failed"),
    Reason.CLIENT_REQUEST: (grpc.StatusCode.CANCELLED, "the task was cancelled"),
}


def tell(message: pb.Operation, of: Task, bodies: Mapping[int, Bodies] | None = None) -> None:
    """Tell of a task; ``bodies`` are those of the store, for a success."""
    message.name = f"{OPERATIONS}/{of.id}"
    message.done = of.terminal
    basic = task_pb2.Task()
    encode.task(basic, of, encode.BASIC)
    message.metadata.Pack(basic)
    if of.status is Status.SUCCESS:
        full = task_pb2.Task()
        encode.task(full, of, encode.FULL, bodies)
        message.response.Pack(full)
    elif of.terminal:
        code, words = OUTCOMES[of.reason]
        message.error.CopyFrom(status(code, of.message or words, [_info(of)]))


def _info(of: Task) -> ErrorInfo:
    known = {"exit_code": of.exit_code, "signal": of.signal}
    info = ErrorInfo(reason=of.reason.name, domain=DOMAIN)
    info.metadata.update({"id": of.id, "execution": of.execution.name})
    info.metadata.update({name: str(value) for name, value in known.items() if value is not None})
    return info
