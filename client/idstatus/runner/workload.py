"""The tasks that a runner holds, each from its claim until its report is answered."""

import asyncio
import functools
import logging
from collections.abc import Iterator

from idstatus.errors import InvalidFieldError, RpcError
from idstatus.models.lease import Claim, Report
from idstatus.models.outcome import Failure, Outcome, Stopped, Success
from idstatus.models.task import IdStatus
from idstatus.runner.context import TaskContext
from idstatus.runner.handler import Work

_log = logging.getLogger("idstatus")


class HeldTask:
    """One task that the runner holds."""

    def __init__(self, claim: Claim, context: TaskContext) -> None:
        self.id = claim.task.id
        self.claim = claim
        self.context = context
        self.report: Report | None = None
        """How it ended, once it has."""
        self.verdict: Outcome | None = None
        """What to report whatever the handler says, once it was told to stop."""


class Workload:
    """All tasks that the runner holds. It outlives any one stream.

    Attributes:
        news: Set when there may be something to tell the server.
        draining: Whether no more tasks are wanted.
        progressed: Whether a handler has told of progress since this was last reset.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._held: dict[str, HeldTask] = {}
        self._running: dict[str, asyncio.Task[Outcome]] = {}
        self._unsent: list[HeldTask] = []
        self._loop = asyncio.get_running_loop()
        self.news = asyncio.Event()
        self.draining = False
        self.progressed = False

    def __len__(self) -> int:
        return len(self._held)

    def start(self, claim: Claim) -> None:
        """Have the handler do a claimed task."""
        context = TaskContext(claim.task, self._on_progress, claim.traceparent)
        held = HeldTask(claim, context)
        self._held[held.id] = held
        running = asyncio.create_task(self._work.do(held.context), name=f"task {held.id}")
        self._running[held.id] = running
        # A callback, for a coroutine that is cancelled before it starts never sees it.
        running.add_done_callback(functools.partial(self._ended, held))

    def stop(self, task_id: str, verdict: Outcome) -> None:
        """Tell the handler of a task to stop; the verdict is what will be reported."""
        held = self._held.get(task_id)
        if held is None or held.report is not None or held.verdict is not None:
            return
        held.verdict = verdict
        held.context.cancelled.set()
        # A thread cannot be cancelled: a blocking handler looks at `cancelled` by itself.
        if self._work.is_async(held.claim.task):
            self._running[task_id].cancel()

    def stop_all(self, verdict: Outcome) -> None:
        """Tell every handler to stop."""
        for task_id in list(self._running):
            self.stop(task_id, verdict)

    def at_work(self) -> Iterator[HeldTask]:
        """Yield the tasks whose leases are still needed."""
        return (h for h in self._held.values() if h.report is None and h.verdict is None)

    def take_unsent(self, at_most: int, max_bytes: int) -> list[HeldTask]:
        """Take tasks whose reports are to be sent: at least one if there is any."""
        taken: list[HeldTask] = []
        size = 0
        for held in self._unsent[:at_most]:
            size += _size(held)
            if taken and size > max_bytes:
                break
            taken.append(held)
        del self._unsent[: len(taken)]
        return taken

    def send_again(self) -> None:
        """Count every report that was not answered as not sent: its stream is gone."""
        self._unsent = [held for held in self._held.values() if held.report is not None]

    def answered(self, held: HeldTask, answer: IdStatus | RpcError) -> None:
        """Let go of a task whose report was answered, accepted or refused."""
        outcome = held.report.outcome if held.report else None
        if isinstance(answer, InvalidFieldError) and isinstance(outcome, Success):
            # Most likely the result is too large. Silence would look like a lost runner.
            self._finish(held, Failure(message=f"the result was refused: {answer}"))
            return
        if isinstance(answer, RpcError):
            # To be told of a task's end by a cancellation is the normal course of things.
            level = logging.DEBUG if isinstance(outcome, Stopped) else logging.WARNING
            _log.log(level, "The report on task %s was refused: %s", held.id, answer)
        self._held.pop(held.id, None)
        self.news.set()

    async def close(self, grace: float) -> None:
        """Cancel the handlers that are left, unreported, and give them some seconds to end."""
        for task_id, running in self._running.items():
            self._held[task_id].context.cancelled.set()
            running.cancel()
        if self._running:
            await asyncio.wait(self._running.values(), timeout=grace)
        self._work.close()

    def _ended(self, held: HeldTask, running: asyncio.Task[Outcome]) -> None:
        del self._running[held.id]
        if held.verdict is not None:
            self._finish(held, held.verdict)
        elif not running.cancelled():  # else the runner is being closed
            self._finish(held, running.result())

    def _finish(self, held: HeldTask, outcome: Outcome) -> None:
        held.report = held.claim.report(outcome)
        self._unsent.append(held)
        self.news.set()

    def _on_progress(self) -> None:
        self.progressed = True
        self._loop.call_soon_threadsafe(self.news.set)


def _size(held: HeldTask) -> int:
    match held.report:
        case Report(outcome=Success(result=result)):
            return len(result)
        case _:
            return 0
