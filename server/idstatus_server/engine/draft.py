"""A commit being put together: what was loaded, and what will be written."""

from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from idstatus_server import lifecycle
from idstatus_server.access import ANYONE, Caller
from idstatus_server.errors import (
    PreconditionError,
    TaskFinishedError,
    TaskNotFinishedError,
    TaskNotFoundError,
    TaskNotRunningError,
)
from idstatus_server.lifecycle import Event, IllegalEventError, Reason, State, Status
from idstatus_server.model import Change, Kind, Queue, Task, Transition, replace
from idstatus_server.store.base import Loaded, Remembered, Writes

K = TypeVar("K")
V = TypeVar("V")


class Draft:
    """The state that the commands of one commit see and change, one after the other.

    A command that raises leaves no trace (``attempt``). Changes made within one
    ``unit`` are shown to watchers together or not at all.
    """

    def __init__(self, head: int, now: int, loaded: Loaded) -> None:
        self.now = now
        self._head = head
        self._tasks: dict[str, Task | None] = dict(loaded.tasks)
        self._used = set(loaded.used)
        self._holders = dict(loaded.key_holders)
        self._remembered = dict(loaded.answers)
        self._recalled = dict(loaded.recalled)
        self._queues = dict(loaded.queues)
        self._running = dict(loaded.running)
        self._claimable = loaded.claimable
        self._passed: dict[str, int] = {}
        self._changes: list[Change] = []
        self._saved: dict[str, Task] = {}
        self._payloads: dict[int, bytes] = {}
        self._copies: dict[int, int] = {}
        self._results: dict[int, bytes] = {}
        self._answers: dict[str, Remembered] = {}
        self._new_queues: dict[str, Queue] = {}
        self._undo: list[tuple[MutableMapping[Any, Any], Any, Any]] = []
        self._caller = ANYONE
        self._traceparent = ""

    # -- what the commands see

    def task(self, task_id: str) -> Task:
        """Return the task as it stands now.

        Raises:
            TaskNotFoundError: there is none, or none that the caller may see.
            NotPermittedError: the caller may see it, and no more.
        """
        found = self._tasks.get(task_id)
        if found is None:
            raise TaskNotFoundError(task_id)
        self._caller.touch(task_id, found.queue)
        return found

    def status(self, task_id: str) -> Status | None:
        """Return where the task stands, None if there is none that the caller may see."""
        found = self._tasks.get(task_id)
        return found.status if found and self._caller.sees(found.queue) else None

    def id_taken(self, task_id: str) -> bool:
        """Tell whether the id is, or ever was, a task's."""
        return task_id in self._tasks or task_id in self._used

    def key_holder(self, unique_key: str) -> str | None:
        """Return the unfinished task that holds the key."""
        holder = self._holders.get(unique_key)
        if holder in self._tasks:  # else nothing has befallen it in this commit
            task = self._tasks[holder]
            return holder if task and not task.terminal else None
        return holder

    def answer_to(self, request_id: str) -> Remembered | None:
        """Return what a request was answered before."""
        return self._remembered.get(request_id)

    def recall(self, task_id: str) -> Task:
        """Return a task as it stands or, if it is gone, as it last was.

        Raises:
            TaskNotFoundError: the log does not reach back to its end.
        """
        return self._recalled.get(task_id) or self.task(task_id)

    def queue(self, name: str) -> Queue | None:
        """Return a queue's settings.

        Raises:
            NotPermittedError: it is not one in which the caller may do this.
        """
        self._caller.enter(name)
        return self._queues.get(name)

    def running(self, queue: str) -> int:
        """Return how many of the queue's tasks run."""
        return self._running.get(queue, 0)

    def next_claimable(self, queue: str) -> Task | None:
        """Return the next task in line, if one is left."""
        waiting = self._claimable.get(queue, ())
        for place in range(self._passed.get(queue, 0), len(waiting)):
            task = self._tasks.get(waiting[place].id, waiting[place])
            if task and task.status is Status.QUEUED:
                return task
            self._set(self._passed, queue, place + 1)
        return None

    @property
    def traceparent(self) -> str:
        """Return the trace context of the call at hand, empty if it is not traced."""
        return self._traceparent

    # -- what the commands do

    def create(self, task: Task, event: Event, actor: str, payload: bytes | int = b"") -> Task:
        """Add a task; ``payload`` is its own, or the ``seq`` of the task to copy it from."""
        state = lifecycle.apply(None, event)
        revision = self._next_revision
        step = Transition(revision=revision, time=self.now, to=state.status, actor=actor)
        created = replace(
            task,
            seq=revision,
            revision=revision,
            update_time=self.now,
            status=state.status,
            execution=state.execution,
            create_time=self.now,
            queued_revision=revision if state.status is Status.QUEUED else 0,
            root_id=task.root_id or task.id,
            transitions=(step,),
            created_in=self.traceparent,
        )
        if isinstance(payload, int):
            self._set(self._copies, revision, payload)
        elif payload:
            self._set(self._payloads, revision, payload)
        if created.unique_key:
            self._set(self._holders, created.unique_key, created.id)
        self._record(Kind.TRANSITION, None, created)
        return created

    def move(
        self, task: Task, event: Event, actor: str, reason: Reason = Reason.NONE, **fields: object
    ) -> Task:
        """Apply an event to a task and set further fields of it.

        Raises:
            PreconditionError: the machine does not allow it.
        """
        state = self.require(task, event, reason)
        revision = self._next_revision
        step = Transition(
            revision=revision,
            time=self.now,
            source=task.status,
            to=state.status,
            reason=state.reason,
            actor=actor,
        )
        if state.status in lifecycle.TERMINAL:
            fields["end_time"] = self.now
        if state.status is Status.QUEUED:
            fields["queued_revision"] = revision
        self._count_running(task.queue, task.status, state.status)
        moved = replace(
            task,
            revision=revision,
            update_time=self.now,
            status=state.status,
            reason=state.reason,
            execution=state.execution,
            transitions=(*task.transitions, step),
            **fields,
        )
        self._record(Kind.TRANSITION, task, moved)
        return moved

    def require(self, task: Task, event: Event, reason: Reason = Reason.NONE) -> State:
        """Return the state to which an event would move a task.

        Raises:
            PreconditionError: the machine does not allow it.
        """
        try:
            return lifecycle.apply(task.state, event, reason)
        except IllegalEventError as error:
            raise refusal(task.id, task.status, event.value) from error

    def update(self, task: Task, **fields: object) -> Task:
        """Change a task without moving it."""
        updated = replace(task, revision=self._next_revision, update_time=self.now, **fields)
        self._record(Kind.UPDATE, task, updated)
        return updated

    def save(self, task: Task, **fields: object) -> Task:
        """Rewrite a task without a change: no revision, no watcher sees it."""
        saved = replace(task, **fields)
        self._set(self._tasks, task.id, saved)
        self._set(self._saved, task.id, saved)
        return saved

    def delete(self, task: Task) -> None:
        """Delete a terminal task; its id stays used."""
        gone = replace(task, revision=self._next_revision, update_time=self.now)
        self._record(Kind.DELETED, task, gone)
        self._set(self._tasks, task.id, None)

    def set_result(self, task: Task, result: bytes) -> None:
        """Keep what the task's work produced."""
        if result:
            self._set(self._results, task.seq, result)

    def set_queue(self, queue: Queue) -> None:
        """Change a queue's settings."""
        self._set(self._queues, queue.name, queue)
        self._set(self._new_queues, queue.name, queue)

    def remember(self, request_id: str, remembered: Remembered) -> None:
        """Remember what a request was answered, for its repeats."""
        self._set(self._remembered, request_id, remembered)
        self._set(self._answers, request_id, remembered)

    @contextmanager
    def unit(self) -> Iterator[None]:
        """Bind the changes made inside: no watcher sees a part of them."""
        start = len(self._changes)
        yield
        last = self._head + len(self._changes)
        self._changes[start:] = [
            change if change.unit == last else replace(change, unit=last)
            for change in self._changes[start:]
        ]

    # -- what the ledger does

    @contextmanager
    def attempt(self, caller: Caller, traceparent: str = "") -> Iterator[None]:
        """Do what a caller has asked for inside; undo everything done if it raises."""
        self._caller, self._traceparent = caller, traceparent
        self._undo.clear()
        made = len(self._changes)
        try:
            yield
        except BaseException:
            for mapping, key, old in reversed(self._undo):
                if old is _ABSENT:
                    mapping.pop(key, None)
                else:
                    mapping[key] = old
            del self._changes[made:]
            raise

    @property
    def changes(self) -> Sequence[Change]:
        """Return the changes made so far."""
        return self._changes

    def writes(self) -> Writes | None:
        """Return what there is to write, or None if there is nothing."""
        if not (self._changes or self._saved or self._new_queues or self._answers):
            return None
        return Writes(
            changes=self._changes,
            saved=list(self._saved.values()),
            payloads=self._payloads,
            copies=self._copies,
            results=self._results,
            answers=self._answers,
            queues=list(self._new_queues.values()),
            time=self.now,
        )

    @property
    def _next_revision(self) -> int:
        return self._head + len(self._changes) + 1

    def _record(self, kind: Kind, before: Task | None, after: Task) -> None:
        revision = after.revision
        change = Change(revision=revision, unit=revision, kind=kind, task=after, before=before)
        self._changes.append(change)
        self._set(self._tasks, after.id, after)

    def _count_running(self, queue: str, before: Status, after: Status) -> None:
        delta = (after is Status.RUNNING) - (before is Status.RUNNING)
        if delta:
            self._set(self._running, queue, self.running(queue) + delta)

    def _set(self, mapping: MutableMapping[K, V], key: K, value: V) -> None:
        self._undo.append((mapping, key, mapping.get(key, _ABSENT)))
        mapping[key] = value


_ABSENT: Any = object()


def refusal(task_id: str, status: Status, wish: str) -> PreconditionError:
    """Return the error for what cannot be done with a task in its status."""
    kind: type[PreconditionError] = TaskNotRunningError
    if status in lifecycle.TERMINAL:
        kind = TaskFinishedError
    if wish in _FOR_FINISHED:
        kind = TaskNotFinishedError
    said = f"task {task_id} is {status.name}: {wish} is not possible"
    return kind(said, id=task_id, status=status.name, event=wish)


_FOR_FINISHED = {"retry", "delete", "stopped"}
