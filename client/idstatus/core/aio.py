"""The asyncio driver, on grpc.aio."""

import asyncio
from typing import Any, Generic, Self, TypeVar

import grpc
import grpc.aio

from idstatus.channel import Endpoint
from idstatus.core.steps import (
    Effect,
    Item,
    ItemSteps,
    OpenStream,
    ReadStream,
    Sleep,
    Steps,
    Stubs,
    UnaryCall,
)
from idstatus.decoding import from_grpc
from idstatus.errors import RpcError

T = TypeVar("T")


class AsyncDriver:
    """Does what steps say, on the running event loop."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        self.endpoint = endpoint
        self.timeout = timeout
        self._channels: dict[bool, grpc.aio.Channel] = {}
        self._all_stubs: dict[bool, Stubs] = {}
        self._closed = False

    async def run(self, steps: Steps[T]) -> T:
        """Return what the steps return."""
        try:
            effect = next(steps)
            while True:
                try:
                    outcome = await self.perform(effect)
                except RpcError as error:
                    effect = steps.throw(error)
                else:
                    effect = steps.send(outcome)
        except StopIteration as stop:
            result: T = stop.value
            return result

    def iterate(self, steps: ItemSteps[T]) -> "AsyncStream[T]":
        """Return an iterator over the items that the steps yield."""
        return AsyncStream(self, steps)

    async def perform(self, effect: Effect) -> Any:
        """Do one thing and return what came of it."""
        if self._closed:
            raise RuntimeError("the client is closed")
        try:
            match effect:
                case UnaryCall(method, request, timeout):
                    limit = self.timeout if timeout is None else timeout
                    stubs = self._stubs(for_streams=False)
                    metadata = self.endpoint.call_metadata()
                    return await method(stubs)(request, timeout=limit, metadata=metadata)
                case OpenStream(method, request):
                    stubs = self._stubs(for_streams=True)
                    metadata = self.endpoint.call_metadata()
                    return method(stubs)(request, metadata=metadata)
                case ReadStream(call):
                    return await call.read() or None  # grpc.aio.EOF is false, a message is true
                case Sleep(seconds):
                    return await asyncio.sleep(seconds)
        except grpc.RpcError as error:
            raise from_grpc(error) from error
        except asyncio.CancelledError:
            # grpc.aio raises it also when only the call was cancelled, and the task was not.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise RpcError("the call was cancelled", code=grpc.StatusCode.CANCELLED) from None

    async def close(self) -> None:
        """Close the connections; calls under way are cancelled."""
        self._closed = True
        for channel in self._channels.values():
            await channel.close(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await self.close()

    def _stubs(self, *, for_streams: bool) -> Stubs:
        # Made with the first call: a channel belongs to the event loop that runs then.
        if for_streams not in self._all_stubs:
            channel = self.endpoint.aio_channel(for_streams=for_streams)
            self._channels[for_streams] = channel
            self._all_stubs[for_streams] = Stubs(channel)
        return self._all_stubs[for_streams]


class AsyncStream(Generic[T]):
    """An iterator over what the server sends; use it in an `async with` block or close it."""

    def __init__(self, driver: AsyncDriver, steps: ItemSteps[T]) -> None:
        self._driver = driver
        self._steps = steps
        self._interrupted: Effect | None = None
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        try:
            step = self._interrupted or next(self._steps)
            self._interrupted = None
            while not isinstance(step, Item):
                try:
                    outcome = await self._driver.perform(step)
                except asyncio.CancelledError:
                    self._interrupted = step  # by asyncio.timeout: the next __anext__ does it anew
                    raise
                except RpcError as error:
                    if self._closed:
                        raise StopAsyncIteration from None
                    step = self._steps.throw(error)
                else:
                    step = self._steps.send(outcome)
        except StopIteration:
            raise StopAsyncIteration from None
        return step.value

    async def aclose(self) -> None:
        """End the iteration and cancel its call."""
        self._closed = True
        self._interrupted = None
        self._steps.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await self.aclose()
