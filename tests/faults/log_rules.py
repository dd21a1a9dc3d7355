"""What the log must say of every task, whoever was told of it: of time, leases and retries.

Each rule says where the log breaks it, as those of ``faults.rules`` do.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from faults.register import EXTENDED
from watch.history import History, claims
from watch.truth import DELETED, TRANSITION, Breaches, Entry, Truth, Violation

from idstatus.v1 import task_pb2

# The payload is not among them: it goes with its task, and the log then shows none.
_COPIED = ("queue", "content_type", "priority", "timeout", "labels", "retry_policy", "root_id")


def committed_together(_: History, truth: Truth) -> Breaches:
    """A task that is retried and its retry are one commit: the retry is the very next change."""
    for entry in _retried(truth):
        follower = truth.by_revision.get(entry.revision + 1)
        if not follower or follower.before or follower.task.id != entry.task.retried_by:
            yield Violation("Atomic", f"{entry.revision} of {entry.task.id} lacks its retry")


def retried(_: History, truth: Truth) -> Breaches:
    """An error has its retry if its policy says so, and a retry does its task's work again."""
    for entry in truth.entries:
        if _owes_a_retry(entry) and not entry.task.retried_by:
            yield Violation("Retried", f"{entry.task.id} ended in error without its retry")
    for entry in _retried(truth):
        follower = truth.by_revision.get(entry.revision + 1)
        if follower and not _does_again(follower.task, entry):
            yield Violation("Retried", f"{follower.task.id} is no retry of {entry.task.id}")


def asked(history: History, truth: Truth) -> Breaches:
    """Nothing befalls a task that nobody wished for, whether the call was answered or not.

    It speaks of the workload's own tasks, for a test may do with another what it wants.
    """
    wishes = set(_wishes(history))
    for entry in truth.entries:
        wish = _wish_behind(entry) if "request" in entry.task.labels else ""
        if wish and (wish, entry.task.id) not in wishes:
            yield Violation("Asked", f"{entry.revision} of {entry.task.id}: nobody sent {wish}")


def timely(_: History, truth: Truth) -> Breaches:
    """Time does not run backwards, and nothing comes before its time."""
    for one, next_one in pairwise(truth.entries):
        if _changed(next_one) < _changed(one):
            yield Violation("Timely", f"{next_one.revision} is older than {one.revision}")
    for entry in truth.entries:
        task = entry.task
        is_due = entry.before is not None and entry.before.status == task_pb2.STATUS_DELAYED
        if is_due and task.status == task_pb2.STATUS_QUEUED and _changed(entry) < _run_time(task):
            yield Violation("Timely", f"{task.id} was queued before its run time")
        if has_expired(entry) and _changed(entry) < min(_lease_end(task), _deadline(task)):
            yield Violation("Timely", f"{task.id} expired before its time")


def leased(history: History, truth: Truth) -> Breaches:
    """No task expires while its runner was told that it holds the lease."""
    held: dict[str, int] = defaultdict(int)
    for task_id, until in _leases_told(history):
        held[task_id] = max(held[task_id], until)
    for entry in truth.entries:
        task = entry.task
        if has_expired(entry) and _changed(entry) < min(held[task.id], _deadline(task)):
            yield Violation("Leased", f"{task.id} expired while its lease was held")


def has_expired(entry: Entry) -> bool:
    """Tell whether the server gave up a runner."""
    is_timeout = entry.type == TRANSITION and entry.task.reason == task_pb2.REASON_TIMEOUT
    return is_timeout and entry.task.execution == task_pb2.EXECUTION_MAY_BE_RUNNING


def _wishes(history: History) -> Iterator[tuple[str, str]]:
    """Return which call named which task."""
    for operation in history.operations:
        request = operation.request
        if operation.what in ("CancelTask", "RetryTask", "DeleteTask"):
            yield operation.what, request.id
        elif operation.what == "FinishTasks":
            yield from ((operation.what, report.id) for report in request.reports)
        elif operation.what == "ExtendLeases":
            yield from ((operation.what, lease.id) for lease in request.leases)


def _wish_behind(entry: Entry) -> str:
    """Return the call that alone makes such a change, "" if there is none."""
    task, before = entry.task, entry.before
    if entry.type == DELETED:
        return "DeleteTask"
    if entry.type == TRANSITION:
        if task.status == task_pb2.STATUS_CANCELLED:
            return "CancelTask"
        return "FinishTasks" if task.execution == task_pb2.EXECUTION_ENDED else ""
    if before and task.retried_by != before.retried_by:
        return "RetryTask"
    return "ExtendLeases" if task.status == task_pb2.STATUS_RUNNING else "FinishTasks"


def _leases_told(history: History) -> Iterator[tuple[str, int]]:
    """Return until when runners were told that they hold their tasks, in microseconds."""
    for _, claim in claims(history):
        yield claim.task.id, claim.lease_expire_time.ToMicroseconds()
    for operation in history.operations:
        if operation.what == "ExtendLeases" and operation.answer:
            for result in operation.answer.results:
                if result.state == EXTENDED:
                    yield result.id, result.lease_expire_time.ToMicroseconds()


def _retried(truth: Truth) -> Iterator[Entry]:
    """Return the changes by which tasks were retried, by a client or by their policy."""
    for entry in truth.entries:
        if entry.task.retried_by and not (entry.before and entry.before.retried_by):
            yield entry


def _owes_a_retry(entry: Entry) -> bool:
    task = entry.task
    if entry.type != TRANSITION or task.status != task_pb2.STATUS_ERROR or not task.retries_left:
        return False
    reasons = task.retry_policy.retryable_reasons
    return not reasons or task.reason in reasons


def _does_again(new: task_pb2.Task, entry: Entry) -> bool:
    old = entry.task
    by_itself = entry.type == TRANSITION
    left = old.retries_left - 1 if by_itself else old.retry_policy.max_retries
    linked = (old.id, old.retry_number + 1, left)
    return (new.retry_of, new.retry_number, new.retries_left) == linked and all(
        getattr(new, name) == getattr(old, name) for name in _COPIED
    )


def _changed(entry: Entry) -> int:
    return entry.task.update_time.ToMicroseconds()


def _run_time(task: task_pb2.Task) -> int:
    return task.run_time.ToMicroseconds()


def _lease_end(task: task_pb2.Task) -> int:
    return task.lease_expire_time.ToMicroseconds()


def _deadline(task: task_pb2.Task) -> int:
    return task.start_time.ToMicroseconds() + task.timeout.ToMicroseconds()


LOG_RULES = (committed_together, retried, asked, timely, leased)
