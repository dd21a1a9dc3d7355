"""Writes to a store as the ledger would, for the conformance suite."""

from collections.abc import Mapping

from idstatus_server.lifecycle import Status
from idstatus_server.model import Change, Kind, Queue, Task, Transition, replace
from idstatus_server.store.base import Loaded, Needs, Remembered, Store, Writes

SECOND = 1_000_000


class Author:
    """Commits changes, one unit at a time; time passes one second with each commit."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = 1_000 * SECOND

    async def commit(
        self,
        *changes: tuple[Kind, Task | None, Task],
        saved: tuple[Task, ...] = (),
        payloads: Mapping[str, bytes] | None = None,
        copies: Mapping[str, Task] | None = None,
        results: Mapping[int, bytes] | None = None,
        answers: Mapping[str, Remembered] | None = None,
        queues: tuple[Queue, ...] = (),
    ) -> list[Task]:
        """Commit (kind, before, after) as one unit; return the tasks as they now stand."""
        self.now += SECOND
        async with self.store.transaction() as transaction:
            head = transaction.head.revision
            unit = head + len(changes)
            made = [self._change(head + i, unit, *change) for i, change in enumerate(changes, 1)]
            by_id = {change.task.id: change.task for change in made}
            known = {change.task.queue: Queue(name=change.task.queue) for change in made}
            settings = {queue.name: queue for queue in queues}
            loaded = await transaction.load(Needs(queues=frozenset(known)))
            await transaction.commit(
                Writes(
                    changes=made,
                    saved=saved,
                    payloads={by_id[i].seq: data for i, data in (payloads or {}).items()},
                    copies={by_id[i].seq: task.seq for i, task in (copies or {}).items()},
                    results=results or {},
                    answers=answers or {},
                    queues=list(({**known, **loaded.queues} | settings).values()),
                    time=self.now,
                )
            )
        return [change.task for change in made]

    def _change(
        self, revision: int, unit: int, kind: Kind, before: Task | None, after: Task
    ) -> Change:
        moved = before is None or before.status is not after.status
        after = replace(after, revision=revision, update_time=self.now)
        if before is None:
            after = replace(after, seq=revision, create_time=self.now)
        if moved:
            step = Transition(revision=revision, time=self.now, to=after.status)
            queued = {"queued_revision": revision} if after.status is Status.QUEUED else {}
            after = replace(after, transitions=(*after.transitions, step), **queued)
        return Change(revision=revision, unit=unit, kind=kind, task=after, before=before)

    async def create(self, task_id: str, **fields: object) -> Task:
        """Commit a new task."""
        task = replace(Task(id=task_id, queue="q", timeout=SECOND, root_id=task_id), **fields)
        return (await self.commit((Kind.TRANSITION, None, task)))[0]

    async def move(self, task: Task, status: Status, **fields: object) -> Task:
        """Commit a task's move to another status."""
        if status in {Status.SUCCESS, Status.ERROR, Status.CANCELLED}:
            fields.setdefault("end_time", self.now + SECOND)
        after = replace(task, status=status, **fields)
        return (await self.commit((Kind.TRANSITION, task, after)))[0]

    async def delete(self, task: Task) -> Task:
        """Commit a task's deletion."""
        return (await self.commit((Kind.DELETED, task, task)))[0]

    async def load(self, needs: Needs) -> Loaded:
        """Load what a commit would."""
        async with self.store.transaction() as transaction:
            return await transaction.load(needs)
