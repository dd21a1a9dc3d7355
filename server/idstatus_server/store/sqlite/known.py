"""The tasks that were read or written last: most calls are about these."""

from collections import OrderedDict
from collections.abc import Iterable

from idstatus_server.model import Task

# A few megabytes; the hub remembers about as many changes, which hold the same tasks.
_MOST = 8192


class Known:
    """Tasks by id as they are committed, in memory.

    A read from SQLite takes 4 µs by itself, but lets go of the interpreter's lock: beside
    gRPC's threads, which then run, it cost 40 µs of a call's 300.
    """

    def __init__(self) -> None:
        self._tasks: OrderedDict[str, Task] = OrderedDict()

    def get(self, task_id: str) -> Task | None:
        """Return a task, None if it is not known here."""
        return self._tasks.get(task_id)

    def keep(self, tasks: Iterable[Task]) -> None:
        """Take note of how tasks stand; those noted first are forgotten if there are many."""
        self._tasks.update((task.id, task) for task in tasks)
        while len(self._tasks) > _MOST:
            self._tasks.popitem(last=False)

    def forget(self, tasks: Iterable[Task]) -> None:
        """Know these no longer: they are about to change."""
        for task in tasks:
            self._tasks.pop(task.id, None)
