"""What the server does on its own when a time has come."""

from collections.abc import Sequence
from dataclasses import dataclass

from idstatus_server.engine.commands.retry import fail
from idstatus_server.engine.draft import Draft
from idstatus_server.errors import TaskNotFoundError
from idstatus_server.lifecycle import Event, Reason, Status
from idstatus_server.model import Task
from idstatus_server.store.base import Needs


@dataclass(frozen=True, slots=True)
class _Duty:
    """Acts on those of the tasks for which it is still right; the answer is their number."""

    ids: Sequence[str]

    @property
    def weight(self) -> int:
        """How many tasks it touches."""
        return len(self.ids)

    def needs(self) -> Needs:
        """What must be loaded."""
        return Needs(ids=frozenset(self.ids))

    def _present(self, draft: Draft, status: Status) -> list[Task]:
        found = []
        for task_id in self.ids:
            try:
                task = draft.task(task_id)
            except TaskNotFoundError:  # deleted since the timer looked
                continue
            if task.status is status:
                found.append(task)
        return found


@dataclass(frozen=True, slots=True)
class MakeDue(_Duty):
    """Queue delayed tasks whose run time has come, never early."""

    def decide(self, draft: Draft) -> int:
        """Queue them."""
        due = [t for t in self._present(draft, Status.DELAYED) if t.run_time <= draft.now]
        for task in sorted(due, key=lambda task: (task.run_time, task.seq)):
            draft.move(task, Event.DUE, "server")
        return len(due)


@dataclass(frozen=True, slots=True)
class Expire(_Duty):
    """End running tasks whose lease or timeout is over.

    Not after ``valid_until``: a commit that comes so late was held up, and so were the
    extensions of the runners.
    """

    valid_until: int

    def decide(self, draft: Draft) -> int:
        """Expire them."""
        expired = 0
        if draft.now > self.valid_until:
            return 0
        for task in self._present(draft, Status.RUNNING):
            wake = task.wake_time
            if wake is None or wake > draft.now:  # extended since the timer looked
                continue
            by = f" by {task.runner}" if task.runner else ""
            timed_out = task.deadline <= draft.now
            message = "the timeout passed" if timed_out else f"the lease was not extended{by}"
            fail(draft, task, Event.EXPIRE, "server", Reason.TIMEOUT, message=message)
            expired += 1
        return expired


@dataclass(frozen=True, slots=True)
class PostponeExpiry(_Duty):
    """Let no running task expire within one lease after ``back``, when we were back."""

    back: int

    def decide(self, draft: Draft) -> int:
        """Postpone what would expire sooner."""
        postponed = 0
        for task in self._present(draft, Status.RUNNING):
            earliest = self.back + task.lease_duration
            if min(task.lease_expire_time, task.deadline) < earliest:
                draft.save(
                    task,
                    lease_expire_time=max(task.lease_expire_time, earliest),
                    deadline=max(task.deadline, earliest),
                )
                postponed += 1
        return postponed
