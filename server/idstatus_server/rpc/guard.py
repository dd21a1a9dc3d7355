"""Counts the calls under way, and refuses those that are too many."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import grpc

from idstatus_server.errors import DomainError, OverloadedError, TooManyWatchesError
from idstatus_server.observe import UNOBSERVED, Observer, Use
from idstatus_server.rpc.callers import Callers
from idstatus_server.rpc.unread import Unread

Context = grpc.aio.ServicerContext[Any, Any]
# Smaller answers are not counted: a call takes as much itself.
_SMALL = 4096
# Large requests are refused while there are so many bytes of requests in flight.
_LARGE, _MOST_BYTES = 64 << 10, 256 << 20


class Guard:
    """Counts the calls and streams in flight; ``in_flight`` and ``streams`` bound them.

    The ``observer`` is told of each call, and the ``callers`` count them, too, each their own.
    """

    def __init__(
        self,
        *,
        in_flight: int,
        streams: int,
        observer: Observer = UNOBSERVED,
        callers: Callers | None = None,
    ) -> None:
        self.observer = observer
        self.callers = callers or Callers()
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
            CallerLimitError: as many as one caller may have.
        """
        if self._closed:
            raise self._closed
        self.callers.check(stream=stream)
        limit = self._limits[stream]
        if self._counts[stream] >= limit:
            if stream:
                raise TooManyWatchesError(f"{limit} streams are open already", limit=limit)
            raise OverloadedError(f"{limit} calls are in flight already", limit=limit)
        if size > _LARGE and self._bytes + size > _MOST_BYTES:
            raise OverloadedError(
                f"requests of {_MOST_BYTES} bytes are in flight already", limit=_MOST_BYTES
            )
        self._add(stream=stream, by=1)
        self._bytes += size

    def leave(self, *, stream: bool, size: int = 0) -> None:
        """Undo ``enter``."""
        self._add(stream=stream, by=-1)
        self._bytes -= size
        self._left.set()

    def _add(self, *, stream: bool, by: int) -> None:
        self._counts[stream] += by
        self.callers.add(stream=stream, by=by)

    def answer(self, data: bytes, context: Context) -> bytes:
        """Return an answer, which counts as unread until the call is over.

        Raises:
            OverloadedError: the client leaves too much unread.
        """
        if len(data) > _SMALL and (call := asyncio.current_task()):
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
        self._add(stream=False, by=-1)
        try:
            yield
        finally:
            self._add(stream=False, by=1)
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
