"""Puts our servicers behind gRPC: one guard for all methods.

A servicer has a coroutine for each method of its service, under the method's
name in snake case. The guard counts calls, refuses those past the limit, and
turns errors into statuses.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from idstatus_server.errors import (
    DomainError,
    InvalidFieldError,
    OverloadedError,
    StoreDamagedError,
    StoreUnavailableError,
    TooManyWatchesError,
    Violation,
)
from idstatus_server.rpc.errors import code_of, to_status
from idstatus_server.rpc.pace import in_good_time

M = TypeVar("M")
Context = grpc.aio.ServicerContext[Any, Any]
_log = logging.getLogger(__name__)


class Guard:
    """Counts the calls and streams in flight; ``in_flight`` and ``streams`` bound them."""

    def __init__(self, *, in_flight: int, streams: int) -> None:
        self._limits = {False: in_flight, True: streams}
        self._counts = {False: 0, True: 0}
        self._left = asyncio.Event()
        self._closed: DomainError | None = None

    def enter(self, *, stream: bool) -> None:
        """Let a call in, or refuse it at once; who was let in has to ``leave``.

        Raises:
            OverloadedError, TooManyWatchesError: as many as may be are in flight.
        """
        if self._closed:
            raise self._closed
        limit = self._limits[stream]
        if self._counts[stream] >= limit:
            if stream:
                raise TooManyWatchesError(f"{limit} streams are open already", limit=limit)
            raise OverloadedError(f"{limit} calls are in flight already", limit=limit)
        self._counts[stream] += 1

    def leave(self, *, stream: bool) -> None:
        """Undo ``enter``."""
        self._counts[stream] -= 1
        self._left.set()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let a call take the place of a stream while it only waits: it keeps no other out.

        It then goes on, even if as many calls as may be are in flight by now.

        Raises:
            TooManyWatchesError: as many streams as may be are open.
        """
        self.enter(stream=True)
        self._counts[False] -= 1
        try:
            yield
        finally:
            self._counts[False] += 1
            self.leave(stream=True)

    def close(self, error: DomainError) -> None:
        """Refuse whoever comes from now on."""
        self._closed = error

    async def emptied(self) -> None:
        """Return once all calls and streams have ended."""
        while any(self._counts.values()):
            self._left.clear()
            await self._left.wait()


def handlers(service: Any, servicer: object, guard: Guard) -> grpc.GenericRpcHandler:
    """Return the handlers for all methods of a service, given its descriptor."""
    return grpc.method_handlers_generic_handler(
        service.full_name,
        {
            method.name: _handler(method, getattr(servicer, snake_case(method.name)), guard)
            for method in service.methods
        },
    )


def snake_case(name: str) -> str:
    """Return the name of the coroutine that serves a method."""
    return re.sub(r"(?<=.)([A-Z])", r"_\1", name).lower()


def _handler(
    method: MethodDescriptor, serve: Callable[..., Awaitable[Any]], guard: Guard
) -> "grpc.RpcMethodHandler[Any, Any]":
    parse = _parser(GetMessageClass(method.input_type))
    if not method.server_streaming:
        serve = in_good_time(serve, waits="wait" in method.input_type.fields_by_name)
        return grpc.unary_unary_rpc_method_handler(
            _unary(serve, guard), request_deserializer=parse, response_serializer=_serialize
        )
    if method.client_streaming:
        return grpc.stream_stream_rpc_method_handler(
            _stream(serve, guard), request_deserializer=parse, response_serializer=_serialize
        )
    return grpc.unary_stream_rpc_method_handler(
        _stream(serve, guard), request_deserializer=parse, response_serializer=_serialize
    )


def _unary(serve: Callable[..., Awaitable[Any]], guard: Guard) -> Callable[..., Any]:
    def call(request: Message | None, context: Context) -> Awaitable[Any]:
        answer = serve(check_parsed(request), context)
        left = context.time_remaining()
        return answer if left is None else _in_time(answer, left)

    return _guarded(call, guard, stream=False)


def _stream(serve: Callable[..., Awaitable[Any]], guard: Guard) -> Callable[..., Any]:
    async def call(
        request: Message | AsyncIterator[Message | None] | None, context: Context
    ) -> None:
        # Alone, not with the first write: to abort while that is under way would be
        # to send it twice, which gRPC refuses, and the stream would never end.
        await context.send_initial_metadata(())
        await serve(check_parsed(request), context)

    return _guarded(call, guard, stream=True)


def _guarded(
    call: Callable[[Any, Context], Awaitable[Any]], guard: Guard, *, stream: bool
) -> Callable[[Any, Context], Awaitable[Any]]:
    """Admit calls and end them with a status; each has its place until that is sent."""

    async def guarded(request: Any, context: Context) -> Any:
        try:
            guard.enter(stream=stream)
        except DomainError as error:
            await abort(context, error)
        try:
            return await call(request, context)
        except (asyncio.CancelledError, grpc.aio.AbortError):
            raise  # to swallow a cancellation leaks memory in grpcio (grpc/grpc #43360)
        except Exception as error:  # noqa: BLE001  # abort tells ours from others
            await abort(context, error)
        finally:
            guard.leave(stream=stream)

    return guarded


async def _in_time(answer: Awaitable[M], left: float) -> M:
    """Return the answer before the deadline in ``left`` seconds, even if the store does not.

    Raises:
        StoreUnavailableError: it did not; whether it still will is not known.
    """
    limit = asyncio.timeout(left - min(0.05, left * 0.05))
    try:
        async with limit:
            return await answer
    except TimeoutError:
        if not limit.expired():
            raise
        raise StoreUnavailableError(
            "the store did not answer in time: what was to be changed may yet be; repeat the "
            "call with the same request_id"
        ) from None


async def abort(context: Context, error: Exception) -> NoReturn:
    """End a call with an error; one that is not the domain's leaves as a bare INTERNAL."""
    if not isinstance(error, DomainError):
        _log.error("a call failed", exc_info=error)
        await context.abort(grpc.StatusCode.INTERNAL, "internal error")
    if isinstance(error, StoreDamagedError):  # the operator must hear of it, too
        _log.error("a call failed: %s", error)
    details = to_status(error).SerializeToString()
    await context.abort(code_of(error), error.message, (("grpc-status-details-bin", details),))


def check_parsed(request: M | None) -> M:
    """Return the request, or refuse bytes that were not one."""
    if request is None:
        raise InvalidFieldError([Violation("", "the request cannot be parsed")])
    return request


def _parser(message: type[Message]) -> Callable[[bytes], Message | None]:
    """Return a parser that does not raise: what it cannot parse is ours to refuse."""

    def parse(data: bytes) -> Message | None:
        try:
            return message.FromString(data)
        except DecodeError:
            return None

    return parse


def _serialize(response: Message | bytes) -> bytes:
    """Messages may come encoded already."""
    return response if isinstance(response, bytes) else response.SerializeToString()
