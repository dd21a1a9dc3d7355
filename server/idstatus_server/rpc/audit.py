"""Keeps who cancelled, retried, deleted, paused: one line of the log for each such call."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.text_format import MessageToString

from idstatus_server.access import caller
from idstatus_server.rpc.account import ending
from idstatus_server.rpc.guard import Context

_log = logging.getLogger("idstatus_server.audit")


def audited(
    call: Callable[[Any, Context], Awaitable[Any]], method: str
) -> Callable[[Any, Context], Awaitable[Any]]:
    """Return a method's handler, each of whose calls is recorded once it has ended.

    None of the methods that are audited carries a payload. What a client did not wait for may be
    done all the same.
    """

    async def recorded(request: Any, context: Context) -> Any:
        def record(code: str) -> None:
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
    except ValueError:  # a time or a duration out of range
        return MessageToString(request, as_one_line=True)
