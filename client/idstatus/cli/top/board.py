"""What the screen knows, and how it learns it."""

import itertools
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Lock

from idstatus.clients import Client
from idstatus.models.change import Change
from idstatus.models.enums import ChangeType, ListOrder, Status
from idstatus.models.filter import TaskFilter
from idstatus.models.queue import Queue
from idstatus.models.task import Task

# As many failures are remembered, and at the start as many running tasks looked up: those created
# first, and of the failures those created last. What happens later the watch tells.
_FAILURES, _RUNNING = 50, 1000
# The queues are asked for each second, so in as few calls as can be.
_QUEUES = 1000
# Rates are those of the last so many seconds.
_SPAN = 10.0


@dataclass(frozen=True, slots=True)
class Frame:
    """What is seen at one moment."""

    queues: Sequence[Queue]
    running: Sequence[Task]
    """Those that have run longest come first."""
    failures: Sequence[Task]
    """The newest come first."""


def look(client: Client, names: Sequence[str]) -> Frame:
    """Ask for all of it once; of these queues, or of all if none is named."""

    def some(status: Status, most: int, order: ListOrder) -> list[Task]:
        wanted = TaskFilter(queues=names, statuses=[status])
        return list(itertools.islice(client.list(wanted, order=order, page_size=most), most))

    running = sorted(some(Status.RUNNING, _RUNNING, ListOrder.OLDEST_FIRST), key=_started)
    failures = sorted(some(Status.ERROR, _FAILURES, ListOrder.NEWEST_FIRST), key=_ended)
    return Frame(queues_of(client, names), running, failures[::-1])


def queues_of(client: Client, names: Sequence[str]) -> list[Queue]:
    """Return the queues that are named, or all."""
    found = client.queues(page_size=_QUEUES)
    return [queue for queue in found if not names or queue.name in names]


class Rate:
    """Counts what happens in a second, over the last few."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._times: deque[float] = deque()

    def count(self) -> None:
        """Note that it happened now."""
        self._times.append(time.monotonic())

    def per_second(self) -> float:
        """Return how often it happens in a second."""
        now = time.monotonic()
        while self._times and self._times[0] < now - _SPAN:
            self._times.popleft()
        return len(self._times) / max(1.0, min(_SPAN, now - self._began))


class Board:
    """What is known, kept up to date by a watch; threads may share it."""

    def __init__(self) -> None:
        self.created, self.finished = Rate(), Rate()
        self._lock = Lock()
        self._queues: Sequence[Queue] = ()
        self._running: dict[str, Task] = {}
        self._failures: dict[str, Task] = {}

    def begin(self, frame: Frame) -> None:
        """Forget what was known for what was seen."""
        with self._lock:
            self._queues = frame.queues
            self._running = _by_id(frame.running)
            self._failures = _by_id(reversed(frame.failures))

    def set_queues(self, queues: Sequence[Queue]) -> None:
        """Take in the queues as they stand."""
        self._queues = queues

    def apply(self, changes: Iterable[Change]) -> None:
        """Take in what was changed, in order; of what was seen already, nothing."""
        with self._lock:
            for change in changes:
                if change.task:
                    self._apply(change, change.task)

    def _apply(self, change: Change, task: Task) -> None:
        if change.type is ChangeType.TRANSITION:
            self._count(change)
        known = self._running.get(task.id) or self._failures.get(task.id)
        if known and task.revision < known.revision:
            return
        self._running.pop(task.id, None)
        failed = self._failures.pop(task.id, None)
        if change.type is ChangeType.DELETED:
            return
        if task.status is Status.RUNNING:
            self._running[task.id] = task
        elif task.status is Status.ERROR and (failed or change.type is ChangeType.TRANSITION):
            self._failures[task.id] = task
            while len(self._failures) > _FAILURES:
                del self._failures[next(iter(self._failures))]

    def _count(self, change: Change) -> None:
        if change.previous_status is None:
            self.created.count()
        elif change.id_status.is_terminal:
            self.finished.count()

    def frame(self) -> Frame:
        """Return what is known now."""
        with self._lock:
            running = sorted(self._running.values(), key=_started)
            return Frame(self._queues, running, [*reversed(self._failures.values())])


def _by_id(tasks: Iterable[Task]) -> dict[str, Task]:
    return {task.id: task for task in tasks}


def _started(task: Task) -> float:
    return task.start_time.timestamp() if task.start_time else 0.0


def _ended(task: Task) -> float:
    return task.end_time.timestamp() if task.end_time else 0.0
