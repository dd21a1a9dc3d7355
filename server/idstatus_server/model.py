"""What the server remembers: tasks, their changes and their queues.

Times and spans are integers in microseconds (times since the Unix epoch, UTC);
0 or None means unset. The structs are the documents that a store keeps, so a
field may be added with a default, but never renamed or given a new meaning.
"""

import hmac
from enum import IntEnum
from typing import NamedTuple

import msgspec
from msgspec import Struct

from idstatus_server import access, lifecycle
from idstatus_server.lifecycle import TERMINAL, Execution, Reason, State, Status
from idstatus_server.limits import YEAR

replace = msgspec.structs.replace


class RetryPolicy(Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """When and how a task that ends in ERROR is retried."""

    max_retries: int = 0
    retry_delay: int = 0
    backoff_multiplier: float = 1.0
    max_retry_delay: int = 0
    retryable_reasons: tuple[Reason, ...] = ()

    def retries(self, reason: Reason) -> bool:
        """Tell whether this reason is retried; none named means all."""
        return reason in (self.retryable_reasons or lifecycle.FAILURES)

    def delay(self, retry_number: int) -> int:
        """Return the delay before the retry of the chain's task ``retry_number``."""
        ceiling = self.max_retry_delay or YEAR
        growth = self.backoff_multiplier ** min(retry_number, 100)  # far past any ceiling
        return int(min(self.retry_delay * growth, ceiling))


class Progress(Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """How far the work is; ``fraction`` is 0 to 1."""

    fraction: float = 0.0
    message: str = ""


class Outcome(Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """How a runner says that a task ended.

    ``status`` is SUCCESS, ERROR, or CANCELLED for work that was stopped as told.
    The result travels beside it, as bytes.
    """

    status: Status
    reason: Reason = Reason.NONE
    message: str = ""
    exit_code: int | None = None
    signal: int | None = None


class LateReport(Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """The first report that came after the task was cancelled or had expired."""

    time: int
    outcome: Outcome


def message_size(payload: bytes, *texts: object) -> int:
    """Return about how many bytes a message takes that has a task with these texts."""
    return len(payload) + len(msgspec.json.encode(texts)) + _REST_OF_TASK


# Ids, times and lease, and the transitions that a task gets later.
_REST_OF_TASK = 1024


class Transition(Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """One change of a task's status."""

    revision: int
    time: int
    to: Status
    source: Status | None = None
    reason: Reason = Reason.NONE
    actor: str = ""


class Task(Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A task as it stands after its last change; its payload and result lie apart.

    ``seq`` is the revision of its creation: it numbers the tasks in order.
    ``queued_revision`` gives its place in the queue. ``deadline`` is when its
    timeout passes. ``size`` is about that of the message that carries it, in bytes.
    ``result_digest`` lets a repeated report be told from another. ``created_in`` and
    ``claimed_in`` are the trace contexts of what created and claimed it, if that was traced.
    """

    id: str
    seq: int = 0
    revision: int = 0
    update_time: int = 0
    create_time: int = 0
    status: Status = Status.QUEUED
    reason: Reason = Reason.NONE
    execution: Execution = Execution.NOT_STARTED
    queue: str
    priority: int = 0
    size: int = 0
    content_type: str = ""
    labels: dict[str, str] = {}
    unique_key: str = ""
    run_time: int = 0
    timeout: int
    retry_policy: RetryPolicy | None = None
    retries_left: int = 0
    queued_revision: int = 0
    start_time: int = 0
    end_time: int = 0
    runner: str = ""
    lease_token: str = ""
    lease_duration: int = 0
    lease_expire_time: int = 0
    deadline: int = 0
    progress: Progress | None = None
    message: str = ""
    exit_code: int | None = None
    signal: int | None = None
    result_digest: str = ""
    root_id: str = ""
    retry_of: str = ""
    retried_by: str = ""
    retry_number: int = 0
    late_report: LateReport | None = None
    transitions: tuple[Transition, ...] = ()
    created_in: str = ""
    claimed_in: str = ""

    @property
    def state(self) -> State:
        """The part of it that the machine moves."""
        return State(self.status, self.reason, self.execution)

    @property
    def terminal(self) -> bool:
        """Whether its status can never change again."""
        return self.status in TERMINAL

    @property
    def wake_time(self) -> int | None:
        """When the server must act on it: it is due, or its runner's time is up."""
        if self.status is Status.DELAYED:
            return self.run_time
        if self.status is Status.RUNNING:
            return min(self.lease_expire_time, self.deadline)
        return None

    def held_with(self, token: str) -> bool:
        """Tell whether a token is that of the task's lease; the time it takes tells nothing."""
        return hmac.compare_digest(self.lease_token.encode(), token.encode()) and bool(token)

    def as_created(self) -> "Task":
        """Return it as the answer to its creation showed it."""
        first = self.transitions[0]
        fresh: dict[str, object] = dict.fromkeys(
            ("start_time", "end_time", "lease_duration", "lease_expire_time", "deadline"), 0
        )
        fresh |= dict.fromkeys(
            ("runner", "lease_token", "message", "result_digest", "retried_by"), ""
        )
        fresh |= dict.fromkeys(("progress", "exit_code", "signal", "late_report"))
        return replace(
            self,
            status=first.to,
            reason=Reason.NONE,
            execution=Execution.NOT_STARTED,
            revision=first.revision,
            update_time=first.time,
            queued_revision=first.revision if first.to is Status.QUEUED else 0,
            transitions=(first,),
            **fresh,
        )


class Kind(IntEnum):
    """What kind of change; the numbers are those of the schema."""

    SNAPSHOT = 1
    TRANSITION = 2
    UPDATE = 3
    DELETED = 4


class Mark(NamedTuple):
    """A point in the history of a store: a revision, and when it was committed.

    Two histories that have parted, because a database lost its end or was restored from a
    backup, number their revisions alike, but did not commit them at the same microsecond.
    """

    revision: int
    time: int


class Change(Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """One entry of the log.

    ``unit`` is the revision of the last change that was made in the same breath:
    a watcher sees all of a unit or nothing of it.
    """

    revision: int
    unit: int
    kind: Kind
    task: Task
    before: Task | None = None

    @property
    def mark(self) -> Mark:
        """Where one who has seen this, and with it the whole unit, stands."""
        return Mark(self.unit, self.task.update_time)


class Stand(Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """How a cancelled task stood when that was answered."""

    id: str
    execution: Execution
    revision: int
    update_time: int

    @classmethod
    def of(cls, task: Task) -> "Stand":
        """Take it from the task as it stands."""
        return cls(
            id=task.id,
            execution=task.execution,
            revision=task.revision,
            update_time=task.update_time,
        )

    def task(self) -> Task:
        """Return the id and status of the task as it stood."""
        return Task(
            id=self.id,
            status=Status.CANCELLED,
            reason=Reason.CLIENT_REQUEST,
            execution=self.execution,
            revision=self.revision,
            update_time=self.update_time,
            queue="",
            timeout=0,
        )


class Answer(Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What a request was answered: the tasks that it made or claimed, or how they stood.

    Of a batch, ``refused`` holds the tasks that could not be cancelled and how each had
    ended (None: it was unknown), and ``total`` counts those that were.
    """

    ids: tuple[str, ...] = ()
    stands: tuple[Stand, ...] = ()
    refused: dict[str, Status | None] = {}
    total: int = 0


class Queue(Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A queue's settings. ``max_running`` and ``retention`` 0 mean unset."""

    name: str
    paused: bool = False
    max_running: int = 0
    retention: int = 0

    def full(self, running: int) -> bool:
        """Tell whether no further task may run beside those that do."""
        return 0 < self.max_running <= running


class QueueState(Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A queue and what is in it; ``oldest_queued_time`` is 0 if nothing waits."""

    queue: Queue
    counts: dict[Status, int]
    oldest_queued_time: int = 0


class Filter(Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Which tasks are meant: those that match every field that is set.

    ``scope`` holds the patterns of the queues that the caller may ask about.
    """

    queues: frozenset[str] = frozenset()
    statuses: frozenset[Status] = frozenset()
    labels: dict[str, str] = {}
    root_id: str = ""
    created_from: int = 0
    created_before: int | None = None
    has_late_report: bool | None = None
    scope: tuple[str, ...] = access.ALL

    @property
    def key(self) -> object:
        """Equal for equal filters, and hashable."""
        labels = tuple(sorted(self.labels.items()))
        return (
            self.queues,
            self.statuses,
            labels,
            self.root_id,
            self.created_from,
            self.created_before,
            self.has_late_report,
            self.scope,
        )

    def matches(self, task: Task) -> bool:
        """Tell whether the task, as it stands, is meant."""
        return (
            (not self.queues or task.queue in self.queues)
            and (not self.statuses or task.status in self.statuses)
            and (not self.root_id or task.root_id == self.root_id)
            and task.create_time >= self.created_from
            and (self.created_before is None or task.create_time < self.created_before)
            and (
                self.has_late_report is None
                or (task.late_report is not None) == self.has_late_report
            )
            and (not self.labels or self.labels.items() <= task.labels.items())
            and access.matches(self.scope, task.queue)
        )
