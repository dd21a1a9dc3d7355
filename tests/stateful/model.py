"""What the contract says of one queue's tasks, as simply as can be."""

from dataclasses import dataclass, field

from idstatus.v1 import task_pb2

DELAYED, QUEUED, RUNNING = task_pb2.STATUS_DELAYED, task_pb2.STATUS_QUEUED, task_pb2.STATUS_RUNNING
SUCCESS, ERROR, CANCELLED = (
    task_pb2.STATUS_SUCCESS,
    task_pb2.STATUS_ERROR,
    task_pb2.STATUS_CANCELLED,
)
TERMINAL = (SUCCESS, ERROR, CANCELLED)
NOT_STARTED = task_pb2.EXECUTION_NOT_STARTED
MAY_BE_RUNNING = task_pb2.EXECUTION_MAY_BE_RUNNING
ENDED = task_pb2.EXECUTION_ENDED
HOUR = 3600


@dataclass(frozen=True)
class Policy:
    """A retry policy; a delay is 0 or an hour, so that nothing comes due by itself."""

    retries: int = 0
    delay: int = 0
    reasons: tuple[int, ...] = ()

    def message(self) -> task_pb2.RetryPolicy:
        made = task_pb2.RetryPolicy(max_retries=self.retries)
        made.retry_delay.FromSeconds(self.delay)
        made.retryable_reasons.extend(map(task_pb2.Reason.ValueType, self.reasons))
        return made

    def retries_on(self, reason: int) -> bool:
        return not self.reasons or reason in self.reasons


@dataclass(frozen=True)
class Outcome:
    """What a runner reports: its status (CANCELLED: it stopped as told), reason, result."""

    status: int
    reason: int = 0
    result: bytes = b""


@dataclass
class Task:
    """One task of the model."""

    id: str
    status: int
    revision: int
    priority: int = 0
    payload: bytes = b""
    key: str = ""
    policy: Policy = field(default_factory=Policy)
    retries_left: int = 0
    queued: int = 0
    reason: int = 0
    execution: int = NOT_STARTED
    lease: str = ""
    outcome: Outcome | None = None
    late: Outcome | None = None
    fraction: float | None = None
    retry_of: str = ""
    retried_by: str = ""
    root: str = ""
    number: int = 0
    gone: bool = False

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def said(self) -> tuple[str, int, int, int, int]:
        """What an IdStatus says of it."""
        return (self.id, self.status, self.reason, self.execution, self.revision)

    def finish(self, outcome: Outcome) -> str:
        """Take a report that comes with the right lease; return the refusal, "" for none."""
        if self.status == RUNNING:
            if outcome.status == CANCELLED:
                return "TASK_NOT_FINISHED"
            self.status, self.reason, self.execution = outcome.status, outcome.reason, ENDED
            self.outcome = outcome
            return ""
        if self.execution == MAY_BE_RUNNING:
            self.late, self.execution = outcome, ENDED
            return "" if outcome.status == CANCELLED else "TASK_FINISHED"
        if self.late:
            same = self.late == outcome and outcome.status == CANCELLED
        else:
            same = self.outcome == outcome
        return "" if same else "TASK_FINISHED"


class Model:
    """The tasks of one queue, in the order of their creation."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    def add(self, task: Task) -> Task:
        if task.status == QUEUED:
            task.queued = task.revision
        self.tasks.append(task)
        return task

    @property
    def living(self) -> list[Task]:
        return [task for task in self.tasks if not task.gone]

    def holder(self, key: str) -> Task | None:
        """Return the unfinished task that holds a unique key."""
        return next((t for t in self.living if key and t.key == key and not t.terminal), None)

    def next_in_line(self, count: int) -> list[Task]:
        """Return the tasks to be claimed next."""
        waiting = [task for task in self.living if task.status == QUEUED]
        return sorted(waiting, key=lambda task: (-task.priority, task.queued))[:count]

    def retry(self, old: Task, new_id: str, revision: int, delay: int, left: int) -> Task:
        """Add the retry of a task."""
        old.retried_by = new_id
        return self.add(
            Task(
                id=new_id,
                status=DELAYED if delay else QUEUED,
                revision=revision,
                priority=old.priority,
                payload=old.payload,
                policy=old.policy,
                retries_left=left,
                retry_of=old.id,
                root=old.root or old.id,
                number=old.number + 1,
            )
        )
