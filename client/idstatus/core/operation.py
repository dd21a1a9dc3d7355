"""Descriptors that turn steps into methods of both clients, with their full signatures.

`@operation` over `def get(self, task_id: str) -> Steps[Task]` gives `Client.get(task_id) -> Task`
and `await AsyncClient.get(task_id) -> Task`; `@iteration` gives a `Stream` and an `AsyncStream`.
"""

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from idstatus.core.aio import AsyncDriver, AsyncStream
from idstatus.core.blocking import BlockingDriver, Stream
from idstatus.core.steps import ItemSteps, Steps

P = ParamSpec("P")
T = TypeVar("T")


class Operation(Generic[P, T]):
    """A method that returns one T."""

    def __init__(self, steps: Callable[Concatenate[Any, P], Steps[T]]) -> None:
        self._steps = steps
        self.__doc__ = steps.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: BlockingDriver, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: AsyncDriver, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        if client is None:
            return self
        return _bind(self._steps, client, client.run)


class Iteration(Generic[P, T]):
    """A method that returns an iterator over many T."""

    def __init__(self, steps: Callable[Concatenate[Any, P], ItemSteps[T]]) -> None:
        self._steps = steps
        self.__doc__ = steps.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: BlockingDriver, owner: type) -> Callable[P, Stream[T]]: ...
    @overload
    def __get__(self, client: AsyncDriver, owner: type) -> Callable[P, AsyncStream[T]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        if client is None:
            return self
        return _bind(self._steps, client, client.iterate)


operation = Operation
iteration = Iteration


def _bind(steps: Callable[..., Any], client: Any, drive: Callable[[Any], Any]) -> Any:
    bound_steps = functools.partial(steps, client)

    @functools.wraps(steps.__get__(client))
    def method(*args: Any, **kwargs: Any) -> Any:
        return drive(bound_steps(*args, **kwargs))

    return method
