"""Puts our servicers behind gRPC: one guard for all methods.

A servicer has a coroutine for each method of its service, under the method's
name in snake case. The guard counts calls, refuses those past the limit, and
turns errors into statuses.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from idstatus_server.errors import (
    DomainError,
    OverloadedError,
    StoreDamagedError,
    StoreUnavailableError,
    TooManyWatchesError,
    WatcherTooSlowError,
)
from idstatus_server.observe import UNOBSERVED, Observer, Use
from idstatus_server.rpc.errors import code_of, to_status
from idstatus_server.rpc.observing import observed
from idstatus_server.rpc.pace import in_good_time
from idstatus_server.rpc.parse import check_parsed, parser
from idstatus_server.rpc.unread import Unread

M = TypeVar("M")
Context = grpc.aio.ServicerContext[Any, Any]
_log = logging.getLogger(__name__)
# Smaller answers are not counted: a call takes as much itself.
_SMALL = 4096
# Large requests are refused while there are so many bytes of requests in flight.
_LARGE, _MOST_BYTES = 64 << 10, 256 << 20


class Guard:
    """Counts the calls and streams in flight; ``in_flight`` and ``streams`` bound them.

    The ``observer`` is told of each call.
    """

    def __init__(self, *, in_flight: int, streams: int, observer: Observer = UNOBSERVED) -> None:
        self.observer = observer
        self._limits = {False: in_flight, True: streams}
        self._counts = {False: 0, True: 0}
        self._bytes = 0
        self._given_up = 0
        self._left = asyncio.Event()
        self._closed: DomainError | None = None
        self._unread = Unread()

    def enter(self, *, stream: bool, size: int = 0) -> None:
        """Let a call in, or refuse it at once; who was let in has to ``leave``.

        ``size`` is that of its request, in bytes.

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
        if size > _LARGE and self._bytes + size > _MOST_BYTES:
            raise OverloadedError(
                f"requests of {_MOST_BYTES} bytes are in flight already", limit=_MOST_BYTES
            )
        self._counts[stream] += 1
        self._bytes += size

    def leave(self, *, stream: bool, size: int = 0) -> None:
        """Undo ``enter``."""
        self._counts[stream] -= 1
        self._bytes -= size
        self._left.set()

    def answer(self, data: bytes, context: Context) -> bytes:
        """Return an answer, which counts as unread until the call is over.

        Raises:
            OverloadedError: the client leaves too much unread.
        """
        call = asyncio.current_task()
        if call and len(data) > _SMALL:
            peer, size = context.peer(), len(data)
            self._unread.add(peer, size)
            # gRPC's own callback would be a cycle, and keep the answer until that is collected.
            call.add_done_callback(lambda _: self._unread.take_off(peer, size))
        return data

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

    @contextmanager
    def giving_up(self) -> Iterator[None]:
        """End a stream whose client takes nothing, nor its end: nobody waits until it does."""
        self._given_up += 1
        self._left.set()
        try:
            yield
        finally:
            self._given_up -= 1

    @property
    def used(self) -> Mapping[str, Use]:
        """How many calls and streams are in flight."""
        return {
            name: Use(self._counts[stream], self._limits[stream])
            for name, stream in (("calls", False), ("streams", True))
        }

    def close(self, error: DomainError) -> None:
        """Refuse whoever comes from now on."""
        self._closed = error

    async def emptied(self) -> None:
        """Return once all calls and streams have ended, or are given up."""
        while sum(self._counts.values()) > self._given_up:
            self._left.clear()
            await self._left.wait()


def handlers(
    service: Any, servicer: object, guard: Guard, *, name: str = ""
) -> grpc.GenericRpcHandler:
    """Return the handlers for all methods of a service, given its descriptor.

    ``name`` is that of another service with the same messages.
    """
    name = name or service.full_name
    return grpc.method_handlers_generic_handler(
        name,
        {
            method.name: _handler(
                f"{name}/{method.name}", method, getattr(servicer, snake_case(method.name)), guard
            )
            for method in service.methods
        },
    )


def snake_case(name: str) -> str:
    """Return the name of the coroutine that serves a method."""
    return re.sub(r"(?<=.)([A-Z])", r"_\1", name).lower()


def _handler(
    name: str, method: MethodDescriptor, serve: Callable[..., Awaitable[Any]], guard: Guard
) -> "grpc.RpcMethodHandler[Any, Any]":
    parse = parser(GetMessageClass(method.input_type))
    if not method.server_streaming:
        unary = observed(_unary(serve, guard, waits=may_wait(method)), guard.observer, name)
        return grpc.unary_unary_rpc_method_handler(unary, request_deserializer=parse)
    stream = observed(_stream(serve, guard), guard.observer, name)
    if method.client_streaming:
        return grpc.stream_stream_rpc_method_handler(
            stream, request_deserializer=parse, response_serializer=_serialize
        )
    return grpc.unary_stream_rpc_method_handler(
        stream, request_deserializer=parse, response_serializer=_serialize
    )


def may_wait(method: MethodDescriptor) -> bool:
    """Tell whether a method's callers may ask to wait."""
    return "wait" in method.input_type.fields_by_name or method.name == "WaitOperation"


def _unary(
    serve: Callable[..., Awaitable[Any]], guard: Guard, *, waits: bool
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
        return guard.answer(message.SerializeToString() if message else b"", context)

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

    async def admitted(request: Any, context: Context) -> Any:
        size = request.ByteSize() if isinstance(request, Message) else 0
        try:
            guard.enter(stream=stream, size=size)
        except DomainError as error:
            await abort(context, error, guard.observer)
        try:
            return await call(request, context)
        except (asyncio.CancelledError, grpc.aio.AbortError, grpc.aio.InternalError):
            # To swallow a cancellation leaks memory in grpcio (grpc/grpc #43360). With an error of
            # gRPC's own, as to write to a client that is gone, the call has ended already.
            raise
        except WatcherTooSlowError as error:
            with guard.giving_up():
                await abort(context, error, guard.observer)
        except Exception as error:  # noqa: BLE001  # abort tells ours from others
            await abort(context, error, guard.observer)
        finally:
            guard.leave(stream=stream, size=size)

    async def guarded(request: Any, context: Context) -> Any:
        try:
            return await admitted(request, context)
        except grpc.aio.AbortError as aborted:
            # The call keeps it, and gRPC raises it again. It must not keep our frames in turn, and
            # with them the request and the call, until the garbage collector comes.
            aborted.__traceback__ = aborted.__context__ = None

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
