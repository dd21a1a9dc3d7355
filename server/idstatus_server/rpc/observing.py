"""Tells an observer of each call, in the terms of gRFC A66."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc

from idstatus_server.observe import Observer

# gRPC keeps a code as it was set, by name or by number; nobody sets that all is well.
NAMES: Mapping[object, str] = {
    None: grpc.StatusCode.OK.name,
    **{code: code.name for code in grpc.StatusCode},
    **{code.value[0]: code.name for code in grpc.StatusCode},
}
_CANCELLED = grpc.StatusCode.CANCELLED.name
_LATE = grpc.StatusCode.DEADLINE_EXCEEDED.name
_UNKNOWN = grpc.StatusCode.UNIMPLEMENTED.name
# How far off a deadline may be that has passed for the client, in seconds.
_NEARLY = 0.05


def observed(
    call: Callable[[Any, Any], Awaitable[Any]], observer: Observer, method: str
) -> Callable[[Any, Any], Awaitable[Any]]:
    """Return a method's handler, all of whose calls the observer hears of.

    A call that is cancelled is late if its deadline is there: its client, who gives up a moment
    before the server would, does not say why it does.
    """

    async def told(request: Any, context: Any) -> Any:
        observer.call_begun(method)
        began, status = time.perf_counter(), ""
        try:
            answer = await call(request, context)
            status = NAMES[context.code()]
            return answer
        finally:
            if not status:
                left = context.time_remaining()
                status = _CANCELLED if left is None or left > _NEARLY else _LATE
            observer.call_ended(method, status, time.perf_counter() - began)

    return told


class Unknown(grpc.GenericRpcHandler):
    """The last of a server's handlers: it serves nothing, and tells of what came this far.

    gRPC then answers UNIMPLEMENTED. Names that strangers make up are all called other, as in A66.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def service(self, _: grpc.HandlerCallDetails) -> None:
        """Take note of a call of a method that there is not."""
        self._observer.call_begun("other")
        self._observer.call_ended("other", _UNKNOWN, 0.0)
