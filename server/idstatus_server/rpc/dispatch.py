"""Puts our servicers behind gRPC: the same way in and out for all methods.

A servicer has a coroutine for each method of its service, under the method's
name in snake case. Its caller signs in, the guard counts the call or refuses it, and
errors become statuses. The log knows of the call at hand, and the call has a span.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple, NoReturn, TypeVar

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from idstatus_server.call import at_hand
from idstatus_server.errors import (
    DomainError,
    LateAnswerError,
    StoreDamagedError,
    WatcherTooSlowError,
)
from idstatus_server.observe import Observer
from idstatus_server.rpc.account import account, traced
from idstatus_server.rpc.audit import audited
from idstatus_server.rpc.errors import code_of, to_status
from idstatus_server.rpc.guard import Context, Guard
from idstatus_server.rpc.observing import observed
from idstatus_server.rpc.pace import in_good_time
from idstatus_server.rpc.parse import check_parsed, parser
from idstatus_server.rpc.sign_in import SignIn
from idstatus_server.tracing import NO_TRACER, Tracer

M = TypeVar("M")
_log = logging.getLogger(__name__)
# A request that may be held while its caller is looked up, in bytes.
_SMALL = 4096


class Way(NamedTuple):
    """The way into a service: who signs in, the guard that counts the calls, who traces them."""

    sign_in: SignIn
    guard: Guard
    tracer: Tracer = NO_TRACER


def handlers(service: Any, servicer: object, way: Way, *, name: str = "") -> grpc.GenericRpcHandler:
    """Return the handlers for all methods of a service, given its descriptor.

    ``name`` is that of another service with the same messages.
    """
    name = name or service.full_name
    return grpc.method_handlers_generic_handler(
        name,
        {
            method.name: _handler(
                method,
                getattr(servicer, snake_case(method.name)),
                _Entrance(way, f"{name}/{method.name}", method),
            )
            for method in service.methods
        },
    )


def snake_case(name: str) -> str:
    """Return the name of the coroutine that serves a method."""
    return re.sub(r"(?<=.)([A-Z])", r"_\1", name).lower()


class _Entrance:
    """The way into one method, and out of it: with a status, and a line in the audit log."""

    def __init__(self, way: Way, name: str, method: MethodDescriptor) -> None:
        self._sign_in, self._guard, self._tracer = way
        self._method = name
        self._stream = method.server_streaming
        self._account = account(name, method)

    def around(
        self, call: Callable[[Any, Context], Awaitable[Any]]
    ) -> Callable[[Any, Context], Awaitable[Any]]:
        """Let in those who may call; each has its place until its status is sent."""

        async def guarded(request: Any, context: Context) -> Any:
            at_hand.set(self._account(request))
            try:
                return await self._admitted(call, request, context)
            except grpc.aio.AbortError as aborted:
                # The call keeps it, and gRPC raises it again. It must not keep our frames in turn,
                # and with them the request and the call, until the garbage collector comes.
                aborted.__traceback__ = aborted.__context__ = None

        kept = audited(guarded, self._method, strangers=not self._sign_in.asks)
        spanned = traced(kept, self._tracer, self._method)
        return observed(spanned, self._guard.observer, self._method)

    async def _admitted(
        self, call: Callable[[Any, Context], Awaitable[Any]], request: Any, context: Context
    ) -> Any:
        size = request.ByteSize() if isinstance(request, Message) else 0
        try:
            await self._sign_in.admit(self._method, context, small=size <= _SMALL)
            self._guard.enter(stream=self._stream, size=size)
        except Exception as error:  # noqa: BLE001  # abort tells ours from others
            await abort(context, error, self._guard.observer)
        try:
            return await call(request, context)
        except (asyncio.CancelledError, grpc.aio.AbortError, grpc.aio.InternalError):
            # To swallow a cancellation leaks memory in grpcio (grpc/grpc #43360). With an error of
            # gRPC's own, as to write to a client that is gone, the call has ended already.
            raise
        except WatcherTooSlowError as error:
            with self._guard.giving_up():
                await abort(context, error, self._guard.observer)
        except Exception as error:  # noqa: BLE001  # abort tells ours from others
            await abort(context, error, self._guard.observer)
        finally:
            self._guard.leave(stream=self._stream, size=size)

    def answer(self, data: bytes, context: Context) -> bytes:
        """Return an answer, which counts as unread until the call is over."""
        return self._guard.answer(data, context)


def _handler(
    method: MethodDescriptor, serve: Callable[..., Awaitable[Any]], entrance: _Entrance
) -> "grpc.RpcMethodHandler[Any, Any]":
    parse = parser(GetMessageClass(method.input_type))
    if not method.server_streaming:
        unary = _unary(serve, entrance, waits=may_wait(method))
        return grpc.unary_unary_rpc_method_handler(unary, request_deserializer=parse)
    if method.client_streaming:
        return grpc.stream_stream_rpc_method_handler(
            _stream(serve, entrance), request_deserializer=parse, response_serializer=_serialize
        )
    return grpc.unary_stream_rpc_method_handler(
        _stream(serve, entrance), request_deserializer=parse, response_serializer=_serialize
    )


def may_wait(method: MethodDescriptor) -> bool:
    """Tell whether a method's callers may ask to wait."""
    return "wait" in method.input_type.fields_by_name or method.name == "WaitOperation"


def _unary(
    serve: Callable[..., Awaitable[Any]], entrance: _Entrance, *, waits: bool
) -> Callable[..., Any]:
    timely = in_good_time(serve, waits=waits)

    async def call(request: Message | None, context: Context) -> bytes:
        parsed, left = check_parsed(request), context.time_remaining()
        message = await (
            serve(parsed, context)
            if left is None
            else _in_time(timely(parsed, context, left), left)
        )
        # The stock servicers answer with nothing when they set a status.
        return entrance.answer(message.SerializeToString() if message else b"", context)

    return entrance.around(call)


def _stream(serve: Callable[..., Awaitable[Any]], entrance: _Entrance) -> Callable[..., Any]:
    async def call(
        request: Message | AsyncIterator[Message | None] | None, context: Context
    ) -> None:
        # Alone, not with the first write: to abort while that is under way would be
        # to send it twice, which gRPC refuses, and the stream would never end.
        await context.send_initial_metadata(())
        await serve(check_parsed(request), context)

    return entrance.around(call)


async def _in_time(answer: Awaitable[M], left: float) -> M:
    """Return the answer before the deadline in ``left`` seconds, even if the store does not.

    Raises:
        LateAnswerError: there is none; whether there will be is not known.
    """
    limit = asyncio.timeout(left - min(0.05, left * 0.05))
    try:
        async with limit:
            return await answer
    except TimeoutError:
        if not limit.expired():
            raise
        raise LateAnswerError(
            "the store did not answer in time: what was to be changed may yet be; repeat the "
            "call with the same request_id"
        ) from None


async def abort(context: Context, error: Exception, observer: Observer) -> NoReturn:
    """End a call with an error; one that is not the domain's leaves as a bare INTERNAL."""
    if not isinstance(error, DomainError):
        _log.error("a call failed", exc_info=error)
        await context.abort(grpc.StatusCode.INTERNAL, "internal error")
    observer.refused(error)
    if isinstance(error, StoreDamagedError):  # the operator must hear of it, too
        _log.error("a call failed: %s", error)
    details = to_status(error).SerializeToString()
    # The frames that it came through hold the request and, if the ledger refused it, itself.
    error.__traceback__ = None
    await context.abort(code_of(error), error.message, (("grpc-status-details-bin", details),))


def _serialize(response: Message | bytes) -> bytes:
    """Messages may come encoded already."""
    return response if isinstance(response, bytes) else response.SerializeToString()
