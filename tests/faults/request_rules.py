"""What is done is what was asked for, in its turn, and everything that is done is told.

Each rule says where a history breaks it, as those of ``faults.rules`` do.
"""

from collections import defaultdict
from collections.abc import Iterator

from watch.history import CREATIONS, History, claims
from watch.truth import DELETED, TERMINAL, UPDATE, Breaches, Truth, Violation

from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as pb

# Only a creation may be refused as a whole, and only for this.
_NEVER_REFUSED = ("ClaimTasks", "FinishTasks", "ExtendLeases", "ListTasks")
_HELD = "UNIQUE_KEY_HELD"


def as_asked(history: History, truth: Truth) -> Breaches:
    """A task and its retries are what a creation asked for, and so is what runners are given."""
    wanted = dict(_wanted(history))
    for entry in truth.entries:
        name = entry.task.labels.get("request")
        if name and entry.before is None and not _is(entry.task, wanted.get(name)):
            yield Violation("AsAsked", f"{entry.task.id} is not what {name} asked for")
    for _, claim in claims(history):
        asked = wanted.get(claim.task.labels.get("request", ""))
        if asked and (not _is(claim.task, asked) or claim.task.payload != asked.payload):
            yield Violation("AsAsked", f"{claim.task.id} was handed out as something else")


def in_line(_: History, truth: Truth) -> Breaches:
    """Of a queue the task with the highest priority is handed out first, then the oldest.

    What came into the queue in the same commit as the claim may have come after it.
    """
    lines: dict[str, dict[str, tuple[int, int, int]]] = defaultdict(dict)
    for entry in truth.entries:
        task, now = entry.task, entry.task.update_time.ToMicroseconds()
        line = lines[task.queue]
        if entry.type != DELETED and task.status == task_pb2.STATUS_QUEUED:
            line.setdefault(task.id, (-task.priority, entry.revision, now))
            continue
        place = line.pop(task.id, None)
        if place and task.status == task_pb2.STATUS_RUNNING:
            for other, (priority, revision, since) in line.items():
                if (priority, revision) < place[:2] and since < now:
                    yield Violation("InLine", f"{task.id} was handed out before {other}")


def keys_are_unique(_: History, truth: Truth) -> Breaches:
    """No two unfinished tasks hold the same key."""
    holders: dict[str, str] = {}
    for entry in truth.entries:
        task = entry.task
        if not task.unique_key:
            continue
        if entry.type == DELETED or task.status in TERMINAL:
            if holders.get(task.unique_key) == task.id:
                del holders[task.unique_key]
        elif holders.setdefault(task.unique_key, task.id) != task.id:
            yield Violation("KeyHeld", f"{task.id} holds the key of {holders[task.unique_key]}")


def handed_out_in_an_answer(history: History, truth: Truth) -> Breaches:
    """No task is handed out in silence, but by claims whose answers were lost.

    It speaks of the workload's own tasks, and of those that were not deleted: an answer leaves out
    what was deleted before it could tell of it.
    """
    deleted = {entry.task.id for entry in truth.entries if entry.type == DELETED}
    told = {claim.task.id for _, claim in claims(history)}
    lost = sum(
        operation.request.max_tasks
        for operation in history.operations
        if operation.what == "ClaimTasks" and not operation.is_known
    )
    silent = [
        entry.task.id
        for entry in truth.entries
        if entry.hands_out
        and "request" in entry.task.labels
        and entry.task.id not in told | deleted
    ]
    if len(silent) > lost:
        yield Violation("Told", f"{silent} were handed out, in at most {lost} lost answers")


def late_reports_are_kept(_: History, truth: Truth) -> Breaches:
    """The first late report is kept with its task, and stays as it is."""
    for entry in truth.entries:
        if entry.type != UPDATE or entry.before is None or entry.task.status not in TERMINAL:
            continue
        ended = entry.task.execution != entry.before.execution
        if ended and not entry.task.HasField("late_report"):
            yield Violation("LateKept", f"{entry.revision} of {entry.task.id} keeps no report")
        if entry.before.HasField("late_report") and (
            entry.task.late_report != entry.before.late_report
        ):
            yield Violation("LateKept", f"{entry.revision} changes the report of {entry.task.id}")


def refused_with_reason(history: History, truth: Truth) -> Breaches:
    """A call that does not depend on one task is not refused; a creation only for its key."""
    keys = {entry.task.unique_key for entry in truth.entries if entry.task.unique_key}
    for operation in history.operations:
        what, refusal = operation.what, operation.refusal
        wanted = {one.unique_key for one in _requests(operation.request)}
        if refusal and (
            what in _NEVER_REFUSED
            or (what in CREATIONS and (refusal != _HELD or not wanted & keys))
        ):
            yield Violation("Refused", f"{what} of {operation.who} was refused: {refusal}")


REQUEST_RULES = (
    as_asked,
    in_line,
    keys_are_unique,
    handed_out_in_an_answer,
    late_reports_are_kept,
    refused_with_reason,
)


def _wanted(history: History) -> Iterator[tuple[str, pb.CreateTaskRequest]]:
    """Return what was asked for, by the name that each task carries as a label."""
    for operation in history.operations:
        for request in _requests(operation.request):
            yield request.labels["request"], request


def _requests(request: object) -> list[pb.CreateTaskRequest]:
    if isinstance(request, pb.BatchCreateTasksRequest):
        return list(request.requests)
    return [request] if isinstance(request, pb.CreateTaskRequest) else []


def _is(task: task_pb2.Task, asked: pb.CreateTaskRequest | None) -> bool:
    if asked is None:
        return False
    key = "" if task.retry_of else asked.unique_key  # a retry does not hold it
    wanted = (asked.queue, asked.priority, asked.labels, key)
    return (task.queue, task.priority, task.labels, task.unique_key) == wanted
