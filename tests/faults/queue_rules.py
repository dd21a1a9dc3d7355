"""What must hold of a queue that was given a limit, which is always the same one.

Each rule says where the history breaks it, as those of ``faults.rules`` do.
"""

from typing import NamedTuple

from watch.history import History, Operation, claims
from watch.truth import DELETED, Breaches, Truth, Violation

from idstatus.v1 import task_pb2


class Limit(NamedTuple):
    """How many tasks may run at once, and when that was first acknowledged."""

    most: int
    since: float


def bounded(history: History, truth: Truth) -> Breaches:
    """A queue's limit stays as it was given, and no claim takes the queue past it."""
    limits = limits_given(history)
    running = {queue: running_with(truth, queue) for queue in limits}
    for operation, claim in claims(history):
        queue, revision = claim.task.queue, claim.task.revision
        limit = _known_to(operation, limits.get(queue))
        if limit and running[queue].get(revision, 0) > limit.most:
            yield Violation("Bounded", f"{claim.task.id} is one too many of {queue} to run")
    for operation in history.operations:
        if operation.what == "GetQueue" and operation.answer is not None:
            told = operation.answer.queue
            limit = _known_to(operation, limits.get(told.name))
            if limit and told.max_running != limit.most:
                yield Violation("Bounded", f"the limit of {told.name} became {told.max_running}")


def _known_to(operation: Operation, limit: Limit | None) -> Limit | None:
    """Return a limit if it was acknowledged before the operation began."""
    return limit if limit and operation.invoked > limit.since else None


QUEUE_RULES = (bounded,)


def limits_given(history: History) -> dict[str, Limit]:
    """Return the limits that were acknowledged, by queue."""
    found: dict[str, Limit] = {}
    for operation in history.operations:
        if operation.what == "UpdateQueue" and operation.answer is not None:
            queue = operation.request.queue
            before = found.get(queue.name, Limit(queue.max_running, operation.returned))
            found[queue.name] = before._replace(since=min(before.since, operation.returned))
    return found


def running_with(truth: Truth, queue: str) -> dict[int, int]:
    """Return by the revision of each task handed out how many of its queue then ran."""
    running: set[str] = set()
    found = {}
    for entry in truth.entries:
        if entry.task.queue != queue:
            continue
        if entry.task.status == task_pb2.STATUS_RUNNING and entry.type != DELETED:
            running.add(entry.task.id)
        else:
            running.discard(entry.task.id)
        if entry.hands_out:
            found[entry.revision] = len(running)
    return found
