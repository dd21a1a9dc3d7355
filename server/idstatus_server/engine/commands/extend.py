"""Extends leases. Only progress that differs is a change."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from idstatus_server.engine.draft import Draft
from idstatus_server.errors import NotPermittedError, TaskNotFoundError
from idstatus_server.lifecycle import Status
from idstatus_server.model import Progress
from idstatus_server.store.base import Needs


class LeaseState(IntEnum):
    """What became of a lease; the numbers are those of the schema."""

    EXTENDED = 1
    CANCELLED = 2
    LOST = 3


class WantedLease(NamedTuple):
    """A lease that its runner still needs; ``duration`` 0 means as long as the claim asked for."""

    id: str
    token: str
    progress: Progress | None = None
    duration: int = 0


class Extended(NamedTuple):
    """What became of a lease, and when it now runs out."""

    id: str
    state: LeaseState
    expire_time: int = 0


@dataclass(frozen=True, slots=True)
class Extend:
    """Extend leases, each on its own; never refused."""

    leases: Sequence[WantedLease]

    @property
    def weight(self) -> int:
        """How many tasks it touches."""
        return len(self.leases)

    def needs(self) -> Needs:
        """What must be loaded."""
        return Needs(ids=frozenset(lease.id for lease in self.leases))

    def decide(self, draft: Draft) -> list[Extended]:
        """Extend those that are held."""
        return [_extend(draft, lease) for lease in self.leases]


def _extend(draft: Draft, lease: WantedLease) -> Extended:
    try:
        task = draft.task(lease.id)
    except (TaskNotFoundError, NotPermittedError):
        return Extended(lease.id, LeaseState.LOST)
    if not task.held_with(lease.token):
        return Extended(lease.id, LeaseState.LOST)
    if task.status is not Status.RUNNING:
        cancelled = task.status is Status.CANCELLED
        return Extended(lease.id, LeaseState.CANCELLED if cancelled else LeaseState.LOST)
    duration = lease.duration or task.lease_duration
    expire_time = draft.now + duration
    if lease.progress is not None and lease.progress != task.progress:
        draft.update(task, progress=lease.progress, lease_expire_time=expire_time)
    else:
        draft.save(task, lease_expire_time=expire_time)
    return Extended(lease.id, LeaseState.EXTENDED, expire_time)
