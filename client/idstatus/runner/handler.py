"""Handlers, blocking or async, and what their ends mean."""

import asyncio
import contextvars
import dataclasses
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from idstatus.models.body import Body, encode_body
from idstatus.models.outcome import Failure, Outcome, Success
from idstatus.models.task import Task
from idstatus.runner.context import TaskContext, TaskError, for_people

_log = logging.getLogger("idstatus")

Handler: TypeAlias = (
    Callable[[TaskContext], Body | None] | Callable[[TaskContext], Awaitable[Body | None]]
)
"""Does a task and returns its result, if it has any."""

_LONGEST_MESSAGE = 4096
# One report that the server cannot take would end the stream for all tasks of the runner.
_LARGEST_RESULT = 256 * 1024


class Work:
    """Runs each task's handler: an async one on the event loop, a blocking one in a thread."""

    def __init__(self, handlers: Mapping[str, Handler], threads: int) -> None:
        self._handlers: Mapping[str, Callable[[TaskContext], Any]] = handlers
        # Threads are started as they are needed, so a runner of async handlers has none.
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="idstatus-runner")

    def is_async(self, task: Task) -> bool:
        """Whether a task's handler runs on the event loop, where it can be cancelled."""
        handler = self._handlers[task.queue]
        # The second half is for objects with an `async def __call__`.
        call = type(handler).__call__
        return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(call)

    async def do(self, context: TaskContext) -> Outcome:
        """Return how the work ended; only a cancellation from outside is raised."""
        try:
            result = await self._call(context)
            return Success(result=_encode(result))
        except TaskError as error:
            failure = error.failure
        except asyncio.CancelledError as error:
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise
            failure = _unexpected(context, error)
        # A handler that exits must not take the runner and its other tasks with it.
        except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever it was, it is reported
            failure = _unexpected(context, error)
        message = for_people(failure.message, _LONGEST_MESSAGE)
        return dataclasses.replace(failure, message=message)

    async def _call(self, context: TaskContext) -> Body | None:
        handler = self._handlers[context.task.queue]
        if self.is_async(context.task):
            result: Body | None = await handler(context)
            return result
        run = contextvars.copy_context().run
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, run, handler, context)

    def close(self) -> None:
        """Start nothing more. Threads cannot be ended from outside: they go on to their end."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _encode(result: Body | None) -> bytes:
    encoded = b"" if result is None else encode_body(result)
    if len(encoded) > _LARGEST_RESULT:
        raise ValueError(f"a result has at most {_LARGEST_RESULT} bytes, not {len(encoded)}")
    return encoded


def _unexpected(context: TaskContext, error: BaseException) -> Failure:
    _log.error("The handler failed on task %s", context.task.id, exc_info=error)
    code = error.code if isinstance(error, SystemExit) else None
    message = f"{type(error).__name__}: {error}"
    return Failure(message=message, exit_code=code if isinstance(code, int) else None)
