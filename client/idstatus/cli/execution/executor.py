"""The handler of `idstatus runner`: each task a process, each end a reason."""

import asyncio
import logging
import os
from dataclasses import dataclass
from datetime import UTC, datetime

from idstatus.cli.execution.child import Child
from idstatus.cli.execution.command_line import CommandLine
from idstatus.cli.output import one_line
from idstatus.cli.words import signal_name
from idstatus.models.enums import Reason
from idstatus.models.task import Task
from idstatus.runner.context import TaskContext, TaskError

_log = logging.getLogger("idstatus")

# As shells have it.
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
_DEFAULT_TIMEOUT = 60.0
_MEMORY_INTERVAL = 0.1
# In the last tenth of its time, 0.25 to 3 s, a process is asked to end; in the second half of that
# it is killed. So the report is there before the server's own verdict would be, and a retry never
# meets the process that it retries.
_GRACE_SHARE, _SHORTEST_GRACE, _LONGEST_GRACE = 0.1, 0.25, 3.0
# A message has at most 4,096 characters.
_LONGEST_LINE, _LONGEST_OUTPUT = 500, 3000
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why we ended a process that would have gone on."""

    reason: Reason
    message: str


class Executor:
    """Executes the command line that a task carries, and reports how that ended.

    Args:
        memory_limit: The bytes of memory that a task's processes may take together. The kernel
            would make a program that asks for more fail in its own way, often with an exit
            status; so we look at what they have, ten times a second, and kill them.
    """

    def __init__(self, *, memory_limit: int | None) -> None:
        self._memory_limit = memory_limit

    async def __call__(self, context: TaskContext) -> bytes:
        """Return the end of the output, or raise how it went wrong.

        When the task is cancelled, or expires, this is cancelled, and its process ends at once.
        """
        task = context.task
        _log.info("%s starts", task.id)
        try:
            output = await self._execute(task)
        except TaskError as error:
            _log.info("%s: %s", task.id, one_line(str(error).partition("\n")[0]))
            raise
        except asyncio.CancelledError:
            _log.info("%s is stopped", task.id)
            raise
        _log.info("%s: success", task.id)
        return output

    async def _execute(self, task: Task) -> bytes:
        async with _start(task) as child:
            verdict = await self._watch_over(child, task)
        if verdict is None:
            verdict = _own_end(child)
        if verdict is None:
            return bytes(child.output)
        raise TaskError(
            _with_last_words(verdict.message, bytes(child.output)),
            reason=verdict.reason,
            exit_code=child.exit_status,
            signal=child.signal,
        )

    async def _watch_over(self, child: Child, task: Task) -> Verdict | None:
        """Wait for the end; if it has to be forced, tell why."""
        allowed, grace = _time_left(task)
        clock = asyncio.get_running_loop().time
        end = clock() + allowed
        interval = _MEMORY_INTERVAL if self._memory_limit else allowed
        while not await child.exits_within(min(interval, end - clock())):
            if self._memory_limit and child.memory() > self._memory_limit:
                await child.kill()
                most = f"{self._memory_limit / _MIB:g} MiB"
                return Verdict(Reason.KILLED, f"exceeded the memory limit of {most}")
            if clock() >= end:
                child.terminate()
                await child.exits_within(grace)
                return Verdict(Reason.TIMEOUT, f"timed out after {_timeout(task):g} s")
        return None


def _timeout(task: Task) -> float:
    return task.timeout.total_seconds() if task.timeout else _DEFAULT_TIMEOUT


def _time_left(task: Task) -> tuple[float, float]:
    """Return in how many seconds to ask a task's process to end, and how many later to kill it."""
    grace = min(max(_SHORTEST_GRACE, _timeout(task) * _GRACE_SHARE), _LONGEST_GRACE)
    started = task.start_time or datetime.now(UTC)
    # The server's clock started with the claim. Ours may differ from it, so it counts for little.
    used = min(max(0.0, (datetime.now(UTC) - started).total_seconds()), grace)
    return _timeout(task) - grace - used, grace / 2


def _start(task: Task) -> Child:
    """Start what a task carries.

    Raises:
        TaskError: It carries no command line, or one that cannot be started.
    """
    try:
        command = CommandLine.decode(task.content_type, task.payload)
    except ValueError as error:
        raise TaskError(str(error)) from error
    env = {**os.environ, **command.env, "IDSTATUS_TASK_ID": task.id}
    try:
        return Child.start(command.argv, env, command.cwd)
    except OSError as error:
        code = _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE
        message = f"cannot start {error.filename or command.argv[0]}: {error.strerror}"
        raise TaskError(message, exit_code=code) from error


def _own_end(child: Child) -> Verdict | None:
    """Tell how a process went wrong without us; None if it did not."""
    if child.signal is not None:
        return Verdict(Reason.KILLED, f"ended by {signal_name(child.signal)}")
    if child.exit_status == 0:
        return None
    return Verdict(Reason.BAD_EXIT, f"exit status {child.exit_status}")


def _with_last_words(what: str, output: bytes) -> str:
    """Return what went wrong with the last line of the output, and more of it below."""
    said = output.decode(errors="replace").strip()[-_LONGEST_OUTPUT:]
    lines = said.splitlines()
    if not lines:
        return what
    first = f"{what}: {lines[-1][-_LONGEST_LINE:]}"
    return first if len(lines) == 1 else f"{first}\n{said}"
