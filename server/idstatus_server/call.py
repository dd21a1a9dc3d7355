"""The call at hand, as the log tells of it."""

from contextvars import ContextVar
from typing import NamedTuple


class Call(NamedTuple):
    """A call: its method, and the request's own id and its task, if it names one."""

    method: str = ""
    request_id: str = ""
    task_id: str = ""


NO_CALL = Call()
at_hand = ContextVar("call", default=NO_CALL)
