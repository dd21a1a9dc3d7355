"""Keeps who cancelled, retried, deleted, paused: one line of the log for each such call."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from google.protobuf.json_format import Error as JsonError
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.text_format import MessageToString
from grpc import StatusCode

from idstatus_server.access import caller
from idstatus_server.rpc.account import ending
from idstatus_server.rpc.guard import Context
from idstatus_server.rpc.roles import RULES

_log = logging.getLogger("idstatus_server.audit")
_log.setLevel(logging.INFO)  # however little else is logged
# Nothing was done, nor tried that anybody could have done.
_NOTHING = StatusCode.INVALID_ARGUMENT.name


def audited(
    call: Callable[[Any, Context], Awaitable[Any]], method: str, *, strangers: bool
) -> Callable[[Any, Context], Awaitable[Any]]:
    """Return a method's handler, whose calls are recorded once they have ended, however.

    The same one if its row does not ask for that.

    For what was refused in the end may be done all the same, or in part. Those of ``strangers``
    are recorded only where nobody has a name. No method that is audited carries a payload.
    """
    if not RULES[method].audited:
        return call

    async def recorded(request: Any, context: Context) -> Any:
        def record(code: str) -> None:
            if code == _NOTHING or not (strangers or caller.get().name):
                return
            fields = {"peer": context.peer(), "code": code, "request": _told(request)}
            who = caller.get().name or "anyone"
            _log.info("%s by %s: %s", method, who, code, extra={"fields": fields})

        with ending(context, record):
            return await call(request, context)

    return recorded


def _told(request: Message | None) -> dict[str, Any] | str:
    """Return what was asked for, as JSON or, if it is not valid as that, as protobuf's text."""
    if request is None:
        return {}
    try:
        return MessageToDict(request, preserving_proto_field_name=True)
    except JsonError:  # a time or a duration out of range
        return MessageToString(request, as_one_line=True)
