"""The blocking driver, on grpc's synchronous channel."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, Self, TypeVar

import grpc

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


class BlockingDriver:
    """Does what steps say, one after the other, in the caller's thread."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        self.endpoint = endpoint
        self.timeout = timeout
        # A channel connects with its first call, so an unused one costs next to nothing.
        self._channels = (endpoint.channel(), endpoint.channel(for_streams=True))
        self._stubs, self._stream_stubs = map(Stubs, self._channels)
        self._closed = False

    def run(self, steps: Steps[T]) -> T:
        """Return what the steps return."""
        try:
            effect = next(steps)
            while True:
                try:
                    outcome = self.perform(effect)
                except RpcError as error:
                    effect = steps.throw(error)
                else:
                    effect = steps.send(outcome)
        except StopIteration as stop:
            result: T = stop.value
            return result

    def iterate(self, steps: ItemSteps[T]) -> "Stream[T]":
        """Return an iterator over the items that the steps yield."""
        return Stream(self, steps)

    def perform(self, effect: Effect, sleep: Callable[[float], object] = time.sleep) -> Any:
        """Do one thing and return what came of it."""
        if self._closed:
            raise RuntimeError("the client is closed")
        try:
            match effect:
                case UnaryCall(method, request, timeout):
                    limit = self.timeout if timeout is None else timeout
                    metadata = self.endpoint.call_metadata()
                    return method(self._stubs)(request, timeout=limit, metadata=metadata)
                case OpenStream(method, request):
                    metadata = self.endpoint.call_metadata()
                    return method(self._stream_stubs)(request, metadata=metadata)
                case ReadStream(call):
                    return next(call, None)
                case Sleep(seconds):
                    return sleep(seconds)
        except grpc.RpcError as error:
            raise from_grpc(error) from error

    def close(self) -> None:
        """Close the connections; calls under way are cancelled."""
        self._closed = True
        for channel in self._channels:
            channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()


class Stream(Generic[T]):
    """An iterator over what the server sends; use it in a `with` block or close it."""

    def __init__(self, driver: BlockingDriver, steps: ItemSteps[T]) -> None:
        self._driver = driver
        self._steps = steps
        self._interrupted: Effect | None = None
        self._closed = threading.Event()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        step = self._interrupted or next(self._steps)
        self._interrupted = None
        while not isinstance(step, Item):
            if self._closed.is_set():
                self._steps.close()
                raise StopIteration
            try:
                outcome = self._driver.perform(step, self._closed.wait)
            except KeyboardInterrupt:
                self._interrupted = step  # the next __next__ does it anew
                raise
            except RpcError as error:
                if self._closed.is_set():
                    raise StopIteration from None
                step = self._steps.throw(error)
            else:
                step = self._steps.send(outcome)
        return step.value

    def close(self) -> None:
        """End the iteration and cancel its call. May be called from any thread."""
        self._closed.set()
        with suppress(ValueError):  # another thread is in the steps: it will see the flag
            self._steps.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()
