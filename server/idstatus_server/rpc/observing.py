"""Tells an observer of each call, in the terms of gRFC A66."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from idstatus_server.observe import UNOBSERVED, Observer
from idstatus_server.rpc.account import ending

_UNKNOWN = grpc.StatusCode.UNIMPLEMENTED.name


def observed(
    call: Callable[[Any, Any], Awaitable[Any]], observer: Observer, method: str
) -> Callable[[Any, Any], Awaitable[Any]]:
    """Return a method's handler, whose calls the observer hears of; the same if it is nobody."""
    if observer is UNOBSERVED:
        return call

    async def told(request: Any, context: Any) -> Any:
        observer.call_begun(method)
        began = time.perf_counter()

        def end(code: str) -> None:
            observer.call_ended(method, code, time.perf_counter() - began)

        with ending(context, end):
            return await call(request, context)

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
