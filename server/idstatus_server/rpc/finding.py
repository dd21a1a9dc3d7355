"""Reads tasks, with as much of them as a view shows."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import TypeVar

from idstatus.v1 import task_pb2
from idstatus_server.access import ALL, caller
from idstatus_server.errors import TaskNotFoundError, UniqueKeyHeldError
from idstatus_server.model import Task
from idstatus_server.rpc import encode
from idstatus_server.store.base import Bodies, Reader

T = TypeVar("T")
# Tasks whose bodies are read at once: each may have a payload and a result of 256 KiB.
_AT_ONCE = 16


async def find(store: Reader, task_id: str) -> Task:
    """Return a task.

    Raises:
        TaskNotFoundError: there is none, or none that the caller may see.
        NotPermittedError: the caller may see it, and no more.
    """
    task = _only(await store.tasks((task_id,)), task_id)
    caller.get().touch(task_id, task.queue)
    return task


async def tell(
    message: task_pb2.Task, store: Reader, task_id: str, view: task_pb2.TaskView.ValueType
) -> None:
    """Tell of a task in a view, as it stands now.

    Raises:
        TaskNotFoundError, NotPermittedError: as for ``find``.
    """
    if view != encode.FULL:
        encode.task(message, await find(store, task_id), view)
        return
    task, bodies = await find_whole(store, task_id)
    encode.task(message, task, view, bodies)


async def find_whole(store: Reader, task_id: str) -> tuple[Task, Mapping[int, Bodies]]:
    """Return a task and, by its ``seq``, its bodies.

    Raises:
        TaskNotFoundError, NotPermittedError: as for ``find``.
    """
    task, bodies = _only(await store.whole_tasks((task_id,)), task_id)
    caller.get().touch(task_id, task.queue)
    return task, {task.seq: bodies}


def _only(found: Mapping[str, T], task_id: str) -> T:
    """Return what was found of the one task that was asked for."""
    if not found:
        raise TaskNotFoundError(task_id)
    return found[task_id]


async def as_seen(error: UniqueKeyHeldError, store: Reader) -> UniqueKeyHeldError:
    """Return an error without the holder's id if the caller may not see the holder."""
    if caller.get().visible == ALL:
        return error
    holder = await store.tasks((error.metadata["id"],))
    seen = any(caller.get().sees(task.queue) for task in holder.values())
    return error if seen else UniqueKeyHeldError(error.metadata["unique_key"])


async def bodies_of(
    tasks: Sequence[Task], store: Reader, shown: Callable[[Task], bool]
) -> AsyncGenerator[Mapping[int, Bodies], None]:
    """Yield for each task, in order, what holds its bodies if they are to be shown.

    Few of them are in memory at a time.
    """
    for start in range(0, len(tasks), _AT_ONCE):
        some = tasks[start : start + _AT_ONCE]
        seqs = [task.seq for task in some if shown(task)]
        bodies = await store.bodies(seqs) if seqs else {}
        for _ in some:
            yield bodies
