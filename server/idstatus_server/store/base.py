"""What a store promises. A class that keeps these promises is a store.

Promises that hold for all methods:

- *Durable*: when ``Transaction.commit`` returns, the changes are on disk.
- *Whole*: a transaction is there entirely or not at all, after any crash.
- *Dense*: revisions are 1, 2, 3 … in the order of the commits, with no hole at
  any time to any reader.
- *Current*: a read sees every commit that returned before the read began.
- *Out of reach*: what the database cannot do now raises StoreUnavailableError.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from idstatus_server.access import ALL
from idstatus_server.lifecycle import Status
from idstatus_server.model import Answer, Change, Filter, Mark, Queue, QueueState, Task

Clock = Callable[[], int]
"""Returns the time now, in microseconds since the Unix epoch."""


class Head(NamedTuple):
    """The ends of the log: a watch can resume from revision ``oldest`` and all after it."""

    newest: Mark
    oldest: int


class Schema(NamedTuple):
    """The version of the database's schema, as it was found and as it is."""

    was: int
    now: int


class Bodies(NamedTuple):
    """The bytes that lie apart from a task."""

    payload: bytes = b""
    result: bytes = b""


class Remembered(NamedTuple):
    """What is remembered of a request: its body's fingerprint and its answer."""

    fingerprint: bytes
    answer: Answer


class Needs(NamedTuple):
    """What a commit wants to know before it decides.

    ``claims`` says how many of the tasks that wait in each queue, in order of preference.
    """

    ids: frozenset[str] = frozenset()
    unique_keys: frozenset[str] = frozenset()
    request_ids: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()
    claims: Mapping[str, int] = {}
    recalled: frozenset[str] = frozenset()


class Loaded(NamedTuple):
    """What the store knows of the needs.

    ``used`` are the ids among the needs whose task was deleted. ``key_holders``
    maps a unique key to the unfinished task that holds it. ``claimable`` holds,
    for each queue, its next tasks in order: higher priority, then first in.
    ``recalled`` are tasks by id as they stand or, if they were deleted and the log still
    tells, as they were then. ``queued`` and ``running`` count such tasks of each queue whose
    claimable were asked for.
    """

    tasks: Mapping[str, Task]
    used: Collection[str]
    key_holders: Mapping[str, str]
    answers: Mapping[str, Remembered]
    queues: Mapping[str, Queue]
    queued: Mapping[str, int]
    running: Mapping[str, int]
    claimable: Mapping[str, Sequence[Task]]
    recalled: Mapping[str, Task]


class Writes(NamedTuple):
    """What a commit writes, all of it in order.

    ``saved`` are tasks rewritten without a change (a lease that was extended).
    ``payloads`` and ``results`` are by ``Task.seq``; ``copies`` maps a task without a
    payload of its own to the one whose payload it gets.
    """

    changes: Sequence[Change]
    saved: Sequence[Task]
    payloads: Mapping[int, bytes]
    copies: Mapping[int, int]
    results: Mapping[int, bytes]
    answers: Mapping[str, Remembered]
    queues: Sequence[Queue]
    time: int


class Transaction(Protocol):
    """One commit under way. It alone may write: ``head`` cannot move beneath it."""

    head: Mark
    time: int
    """The time of the last commit: a new one must not be earlier."""
    now: int
    """The time now, by the clock of the store."""

    async def load(self, needs: Needs) -> Loaded:
        """Return what the store knows of the needs."""
        ...

    async def commit(self, writes: Writes) -> None:
        """Write it all and put it on disk. Without this, nothing is written."""
        ...


class Page(NamedTuple):
    """Tasks by ``seq``: past ``after`` (0: from the start), at most ``limit``."""

    after: int = 0
    limit: int = 200
    newest_first: bool = False


class Deleted(NamedTuple):
    """What is kept of a deleted task: its queue, if it is known, and its retry, if it has one."""

    queue: str
    retried_by: str


class Wake(NamedTuple):
    """A place in the order in which tasks wake."""

    wake_time: int = 0
    seq: int = 0


class Reader(Protocol):
    """Reads of what is committed."""

    async def head(self) -> Head:
        """Return the ends of the log."""
        ...

    async def tasks(self, ids: Sequence[str]) -> dict[str, Task]:
        """Return those of the tasks that exist, by id."""
        ...

    async def whole_tasks(self, ids: Sequence[str]) -> dict[str, tuple[Task, Bodies]]:
        """Return those of the tasks that exist, each with its bodies, by id."""
        ...

    async def deleted(self, ids: Sequence[str]) -> dict[str, Deleted]:
        """Return what is kept of those of the ids whose task was deleted."""
        ...

    async def bodies(self, seqs: Sequence[int]) -> dict[int, Bodies]:
        """Return payload and result of each of the tasks that still exists, by ``Task.seq``."""
        ...

    async def find(self, wanted: Filter, page: Page) -> list[Task]:
        """Return the next tasks that *may* match; the caller filters for good.

        The cost does not grow with the tasks of other queues and statuses, nor of these.
        """
        ...

    async def ahead(self, task: Task, limit: int) -> int:
        """Count the queued tasks that claims hand out before this queued one, at most ``limit``.

        The cost grows with that number, not with what waits behind it or in other queues.
        """
        ...

    async def find_at(self, revision: int, wanted: Filter, page: Page) -> tuple[list[Task], int]:
        """Return tasks as they stood at a past revision, oldest first, and where it ended.

        The second value is the ``seq`` to go on from, 0 if there is no more. They *may*
        match; the caller filters for good. Raises RevisionCompactedError if the log no
        longer reaches back.
        """
        ...

    async def tasks_at(self, revision: int, ids: Sequence[str]) -> dict[str, Task]:
        """Return the tasks that existed at a past revision, as they stood; as ``find_at``."""
        ...

    async def log(self, after: Mark, limit: int) -> list[Change]:
        """Return the next changes past a mark; the last unit is whole.

        So there may be more than ``limit`` of them. Raises RevisionCompactedError, and
        RevisionInFutureError if the mark is not of this history.
        """
        ...

    async def queues(self, after: str, limit: int, scope: Sequence[str] = ALL) -> list[QueueState]:
        """Return the next queues by name, of those that match any of the patterns in scope."""
        ...

    async def queue(self, name: str) -> QueueState | None:
        """Return a queue, or None if no task was ever created in it."""
        ...


class Duties(Protocol):
    """What the timers ask for."""

    async def awake(self, status: Status, now: int, limit: int) -> list[Task]:
        """Return tasks in this status whose ``wake_time`` has come, longest ago first."""
        ...

    async def next_wake(self) -> int | None:
        """Return the earliest ``wake_time`` of all tasks."""
        ...

    async def running(self, after: Wake, limit: int) -> list[Task]:
        """Return the next running tasks in the order of ``wake_time``, then ``seq``."""
        ...

    async def outlived(self, now: int, retention: int, limit: int) -> list[str]:
        """Return ids of tasks that ended longer ago than their queue's, or this, retention."""
        ...

    async def compact(self, before: int, limit: int) -> int:
        """Drop up to ``limit`` of the oldest changes made before a time; return how many.

        The last of them keeps its row, for by it a mark there is known to be of this history.
        """
        ...

    async def forget(self, before: int, limit: int) -> int:
        """Drop up to ``limit`` request ids used before a time; return how many."""
        ...


class Store(Reader, Duties, Protocol):
    """A database that keeps the promises above."""

    store_id: str
    """Sixteen hexadecimal digits that no other store has."""
    schema: Schema

    async def close(self) -> None:
        """Let go of the database; everything committed stays."""
        ...

    async def now(self) -> int:
        """Return the time, in microseconds: all who share the store go by one clock."""
        ...

    def follow(self, wake: Callable[[], None], changed: Callable[[str], None]) -> None:
        """From now on call ``wake`` whenever another process may have committed.

        Soon after it did, as a rule; within a second in any case. And, as a hint that may
        be lost, call ``changed`` with the name of a queue that it has set.
        """
        ...

    async def on_duty(self) -> bool:
        """Tell whether this process is the one that runs the timers.

        Of all that share the store, one is at a time. One that dies, or stands still, is
        relieved within seconds.
        """
        ...

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Begin a commit; leaving the block without one changes nothing."""
        ...


class Snapshot(Protocol):
    """One state of a database, to be read as it lies there, whoever commits meanwhile.

    Raises, from both methods: StoreDamagedError, StoreUnavailableError.
    """

    def damage(self) -> AsyncIterator[str]:
        """Yield what the database itself finds wrong with its file."""
        ...

    def rows(self, sql: str, ids: Collection[str] = ()) -> AsyncIterator[Sequence[Any]]:
        """Yield the rows of a query in SQL that all databases know, a few at a time in memory.

        ``{ids}`` in it stands for the ids.
        """
        ...
