"""Keeps who cancelled, retried, deleted, paused: one line of the log for each such call."""

import logging

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from idstatus_server.access import caller
from idstatus_server.rpc.account import outcome
from idstatus_server.rpc.guard import Context

_log = logging.getLogger("idstatus_server.audit")


def record(method: str, request: Message | None, context: Context) -> None:
    """Record a call that has ended. None of the methods that are audited carries a payload."""
    # What a client did not wait for may be done all the same.
    asked = MessageToDict(request, preserving_proto_field_name=True) if request else {}
    fields = {"peer": context.peer(), "status": outcome(context), "request": asked}
    _log.info("%s by %s", method, caller.get().name or "anyone", extra={"fields": fields})
