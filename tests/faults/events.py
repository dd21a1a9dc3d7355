"""What must have happened in a storm for its verdict to mean something."""

from collections.abc import Callable, Iterator

from faults.log_rules import has_expired
from faults.queue_rules import limits_given, running_with
from faults.register import LOST
from stateful.calls import reason_in
from watch.history import History, Operation
from watch.truth import DELETED, TRANSITION, UPDATE, Entry, Truth

from idstatus.v1 import task_pb2

_CHANGES: dict[str, Callable[[Entry], bool]] = {
    "a delayed task is due": lambda e: _was(e, task_pb2.STATUS_DELAYED, task_pb2.STATUS_QUEUED),
    "a runner succeeds": lambda e: _was(e, task_pb2.STATUS_RUNNING, task_pb2.STATUS_SUCCESS),
    "a waiting task is cancelled": lambda e: _was(
        e, task_pb2.STATUS_QUEUED, task_pb2.STATUS_CANCELLED
    ),
    "a running task is cancelled": lambda e: _was(
        e, task_pb2.STATUS_RUNNING, task_pb2.STATUS_CANCELLED
    ),
    "a lease runs out": has_expired,
    "an error is retried": lambda e: e.type == TRANSITION and bool(e.task.retried_by),
    "a client retries": lambda e: e.type == UPDATE and _news(e, "retried_by"),
    "a retry is handed out": lambda e: e.hands_out and bool(e.task.retry_of),
    "a runner tells its progress": lambda e: e.type == UPDATE and _news(e, "progress"),
    "a report comes late": lambda e: e.type == UPDATE and _news(e, "late_report"),
    "a task is deleted": lambda e: e.type == DELETED,
}
_REFUSALS = (
    *("TASK_NOT_FOUND", "TASK_FINISHED", "TASK_NOT_FINISHED", "TASK_ALREADY_RETRIED"),
    *("UNIQUE_KEY_HELD", "LEASE_NOT_HELD", "lease lost"),
)
_AT_LIMIT = "a queue is at its limit"
EVENTS = frozenset((*_CHANGES, *_REFUSALS, _AT_LIMIT))


def events(history: History, truth: Truth) -> set[str]:
    """Return which of the events there were."""
    changes = {
        name for name, is_one in _CHANGES.items() if any(is_one(entry) for entry in truth.entries)
    }
    for queue, limit in limits_given(history).items():
        if limit.most in running_with(truth, queue).values():
            changes.add(_AT_LIMIT)
    return changes | {what for one in history.operations for what in _told(one)}


def _told(operation: Operation) -> Iterator[str]:
    yield operation.refusal
    if operation.answer and operation.what == "FinishTasks":
        yield from (reason_in(result) for result in operation.answer.results)
    if operation.answer and operation.what == "ExtendLeases":
        yield from ("lease lost" for result in operation.answer.results if result.state == LOST)


def _was(entry: Entry, before: int, after: int) -> bool:
    known = entry.before is not None and entry.before.status == before
    return known and entry.type == TRANSITION and entry.task.status == after


def _news(entry: Entry, field: str) -> bool:
    return entry.before is not None and getattr(entry.before, field) != getattr(entry.task, field)
