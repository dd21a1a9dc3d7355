"""The whole truth of a store: every change of every task, from a watch on everything."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from watch.sites import FULL_TASK, Site

from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as pb

SNAPSHOT = pb.TaskChange.TYPE_SNAPSHOT
TRANSITION = pb.TaskChange.TYPE_TRANSITION
UPDATE = pb.TaskChange.TYPE_UPDATE
DELETED = pb.TaskChange.TYPE_DELETED
# Within so many seconds all that was delayed must be due, also where the clock was set back.
_DUE = 30.0
_AT_ONCE = 200
Said = task_pb2.Task | task_pb2.IdStatus
TERMINAL = (task_pb2.STATUS_SUCCESS, task_pb2.STATUS_ERROR, task_pb2.STATUS_CANCELLED)


class Violation(NamedTuple):
    """A rule that is broken, and how."""

    rule: str
    text: str


Breaches = Iterator[Violation]


class Entry(NamedTuple):
    """One change: the task before it and after it."""

    revision: int
    type: int
    before: task_pb2.Task | None
    task: task_pb2.Task

    @property
    def hands_out(self) -> bool:
        """Whether a runner was given the task."""
        return self.type == TRANSITION and self.task.status == task_pb2.STATUS_RUNNING


@dataclass(frozen=True)
class Wanted:
    """What a watch asked for."""

    ids: frozenset[str] = frozenset()
    filter: task_pb2.TaskFilter = field(default_factory=task_pb2.TaskFilter)

    def matches(self, task: task_pb2.Task | None) -> bool:
        """Tell whether a task, as it stands, is meant."""
        if task is None:
            return False
        if self.ids:
            return task.id in self.ids
        want = self.filter
        late = want.has_late_report if want.HasField("has_late_report") else None
        return (
            (not want.queues or task.queue in want.queues)
            and (not want.statuses or task.status in want.statuses)
            and (not want.root_id or task.root_id == want.root_id)
            and all(task.labels.get(key) == value for key, value in want.labels.items())
            and (late is None or task.HasField("late_report") == late)
        )

    def shows(self, entry: Entry) -> bool:
        """Tell whether a change is to be shown: it concerns a task that is or was meant."""
        return self.matches(entry.task) or self.matches(entry.before)


class Truth:
    """Every change of a store since a revision at which it was empty."""

    def __init__(self, changes: Iterable[pb.TaskChange], since: int = 0) -> None:
        self.since = since
        self.entries: list[Entry] = []
        last: dict[str, task_pb2.Task] = {}
        for change in changes:
            revision = change.id_status.revision
            before = last.get(change.task.id)
            self.entries.append(Entry(revision, change.type, before, change.task))
            last[change.task.id] = change.task
        self.by_revision = {entry.revision: entry for entry in self.entries}

    @property
    def head(self) -> int:
        """The newest revision."""
        return self.entries[-1].revision if self.entries else self.since

    def state_at(self, revision: int) -> dict[str, Entry]:
        """Return every task that existed at a revision, by id, as its last change left it."""
        state: dict[str, Entry] = {}
        for entry in self.entries:
            if entry.revision > revision:
                break
            if entry.type == DELETED:
                state.pop(entry.task.id, None)
            else:
                state[entry.task.id] = entry
        return state

    def shown(self, wanted: Wanted, after: int = 0) -> list[Entry]:
        """Return the changes that a watch must show after a revision."""
        return [e for e in self.entries if e.revision > after and wanted.shows(e)]

    def chain(self, ids: Iterable[str]) -> frozenset[str]:
        """Return tasks and their retries, to the end of each chain."""
        found = set(ids)
        for entry in self.entries:
            if entry.task.id in found and entry.task.retried_by:
                found.add(entry.task.retried_by)
        return frozenset(found)

    def pairs(self) -> Iterator[frozenset[int]]:
        """Return the revisions of what was committed together: a task and its retry."""
        for entry in self.entries:
            linked = entry.task.retried_by and not (entry.before and entry.before.retried_by)
            follower = self.by_revision.get(entry.revision + 1)
            if linked and follower and follower.task.id == entry.task.retried_by:
                yield frozenset((entry.revision, follower.revision))

    def faults(self, kept: Sequence[task_pb2.Task] | None = None) -> list[Violation]:
        """Check the truth against itself, and against all tasks as they are now kept."""
        found = [*self._holes(), *self._leaps()]
        return found if kept is None else [*found, *self._forgotten(kept)]

    def _holes(self) -> Iterator[Violation]:
        for due, entry in enumerate(self.entries, start=self.since + 1):
            if entry.revision != due:
                yield Violation("Dense", f"revision {due} is due, but {entry.revision} came")
                return

    def _leaps(self) -> Iterator[Violation]:
        for entry in self.entries:
            steps = entry.task.transitions
            if entry.type == TRANSITION and _step(steps[-1]) != _step_of(entry):
                yield Violation("Reliable", f"transition {entry.revision} is not its task's last")
            before = entry.before.transitions if entry.before else []
            grown = len(steps) - len(before)
            if grown != (entry.type == TRANSITION) or list(steps[: len(before)]) != list(before):
                yield Violation("Reliable", f"{entry.revision} does not follow the change before")
            if before and before[-1].to in TERMINAL and entry.task.status != before[-1].to:
                yield Violation("Terminal", f"{entry.revision} changes a terminal status")

    def _forgotten(self, kept: Sequence[task_pb2.Task]) -> Iterator[Violation]:
        state = self.state_at(self.head)
        since = {task.id for task in kept if task.revision > self.head}  # a lease ran out
        if sorted(task.id for task in kept if task.id not in since) != sorted(state.keys() - since):
            yield Violation("Reliable", "the tasks that are there are not those of the log")
        for task in kept:
            known = task.id in state and task.id not in since
            if known and state[task.id].task.transitions != task.transitions:
                yield Violation("Reliable", f"{task.id} has other transitions than the log")


def _step(step: task_pb2.Transition) -> tuple[object, ...]:
    source = getattr(step, "from")
    return step.revision, step.time.ToMicroseconds(), source, step.to, step.reason


def _step_of(entry: Entry) -> tuple[object, ...]:
    task, before = entry.task, entry.before
    source = before.status if before else task_pb2.STATUS_UNSPECIFIED
    time = task.update_time.ToMicroseconds()
    return entry.revision, time, source, task.status, task.reason


async def origin(site: Site) -> str:
    """Return the token of now: taken from an empty store, it leads to every change."""
    request = pb.WatchTasksRequest(skip_snapshot=True)
    return (await site.read(request, lambda _: True)).token


async def read_truth(site: Site, start: str) -> Truth:
    """Read the truth of a store since it was empty, and hold it against every task there is."""
    truth, kept = await read_log(site, start)
    faults = truth.faults(kept)
    assert not faults, faults[:5]
    return truth


async def read_log(site: Site, start: str, since: int = 0) -> tuple[Truth, list[task_pb2.Task]]:
    """Read the log of a store since it was empty, and every task that there is, page by page.

    ``start`` is the token of then, ``since`` the revision.

    No writer may be at work any more; what the server still does by itself is waited for.
    """
    async with asyncio.timeout(_DUE):
        while await list_tasks(site, task_pb2.TaskFilter(statuses=[task_pb2.STATUS_DELAYED])):
            pass
    last = await site.create(queue="last-of-all")
    request = pb.WatchTasksRequest(resume_token=start, view=FULL_TASK)
    reading = await site.read(request, lambda seen: seen.revision >= last.revision)
    return Truth(reading.changes, since), await list_tasks(site)


async def swept(site: Site) -> tuple[str, int]:
    """Delete every task; return the token and the revision of the store that is then empty.

    No writer may be at work.
    """
    everything = pb.BatchCancelTasksRequest(filter=task_pb2.TaskFilter())
    while tasks := await list_tasks(site):
        await site.tasks.BatchCancelTasks(everything)
        for first in range(0, len(tasks), _AT_ONCE):
            some = tasks[first : first + _AT_ONCE]
            await asyncio.gather(*(site.delete(task.id) for task in some))
    last = await site.create(queue="last-of-all")
    await site.cancel(last.id)
    await site.delete(last.id)
    return await origin(site), last.revision + 2


async def list_tasks(site: Site, wanted: task_pb2.TaskFilter | None = None) -> list[task_pb2.Task]:
    """Return every task that is wanted, whole."""
    found: list[task_pb2.Task] = []
    request = pb.ListTasksRequest(page_size=_AT_ONCE, view=FULL_TASK, filter=wanted)
    while True:
        page = await site.tasks.ListTasks(request, wait_for_ready=True)
        found += page.tasks
        request.page_token = page.next_page_token
        if not request.page_token:
            return found
