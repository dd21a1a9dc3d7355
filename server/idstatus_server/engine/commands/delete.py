"""Deletes finished tasks: by a client's wish, or when they were kept long enough."""

from collections.abc import Sequence
from dataclasses import dataclass

from idstatus_server.engine.draft import Draft, refusal
from idstatus_server.errors import TaskNotFoundError
from idstatus_server.store.base import Needs


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a task. Refused with TaskNotFoundError or TaskNotFinishedError."""

    id: str
    weight: int = 1

    def needs(self) -> Needs:
        """What must be loaded."""
        return Needs(ids=frozenset({self.id}))

    def decide(self, draft: Draft) -> None:
        """Delete it."""
        task = draft.task(self.id)
        if not task.terminal:
            raise refusal(task.id, task.status, "delete")
        draft.delete(task)


@dataclass(frozen=True, slots=True)
class Purge:
    """Delete finished tasks whose retention is over; the answer is their number."""

    ids: Sequence[str]

    @property
    def weight(self) -> int:
        """How many tasks it touches."""
        return len(self.ids)

    def needs(self) -> Needs:
        """What must be loaded."""
        return Needs(ids=frozenset(self.ids))

    def decide(self, draft: Draft) -> int:
        """Delete those that are still there."""
        purged = 0
        for task_id in self.ids:
            try:
                draft.delete(draft.task(task_id))
                purged += 1
            except TaskNotFoundError:  # a client was faster
                continue
        return purged
