"""Keeps who cancelled, retried, deleted, paused: one line of the log for each such call."""

import logging

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from idstatus_server.access import caller
from idstatus_server.rpc.guard import Context
from idstatus_server.rpc.observing import NAMES

_log = logging.getLogger("idstatus_server.audit")


def record(method: str, request: Message | None, context: Context) -> None:
    """Record a call that has ended. None of the methods that are audited carries a payload."""
    # What a client did not wait for may be done all the same.
    code = NAMES[grpc.StatusCode.CANCELLED if context.cancelled() else context.code()]
    principal = caller.get().name
    asked = MessageToDict(request, preserving_proto_field_name=True) if request else {}
    _log.info(
        "%s by %s from %s: %s",
        method,
        principal or "anyone",
        context.peer(),
        code,
        extra={
            "fields": {
                "method": method,
                "principal": principal,
                "peer": context.peer(),
                "code": code,
                "request": asked,
            }
        },
    )
