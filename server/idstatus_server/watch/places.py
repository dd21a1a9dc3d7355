"""Where those who want to hear of changes are filed, so that a change finds whom it concerns."""

from collections.abc import Collection, Sequence

from idstatus_server.model import Filter, Task

Place = tuple[str, ...]
EVERYWHERE: Place = ()


def of_id(task_id: str) -> Place:
    """Return the place of those who want to hear of a task."""
    return ("id", task_id)


def places(task: Task) -> Sequence[Place]:
    """Return where those are filed who may want to hear of a change of this task."""
    return (
        EVERYWHERE,
        of_id(task.id),
        ("queue", task.queue),
        ("root", task.root_id),
        *[("label", *label) for label in task.labels.items()],
    )


def choices(wanted: Filter) -> Sequence[Collection[Place]]:
    """Return the ways to file a filter: at all places of any one of them.

    What it looks at here is what never changes of a task.
    """
    ways: list[list[Place]] = [[("label", *label)] for label in wanted.labels.items()]
    if wanted.root_id:
        ways.append([("root", wanted.root_id)])
    if wanted.queues:
        ways.append([("queue", queue) for queue in wanted.queues])
    return ways or [[EVERYWHERE]]
