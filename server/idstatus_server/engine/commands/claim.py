"""Hands queued tasks to a runner, under leases."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from idstatus_server.engine.commands.request import RequestKey
from idstatus_server.engine.draft import Draft
from idstatus_server.engine.ids import new_lease_token
from idstatus_server.errors import TaskNotFoundError
from idstatus_server.lifecycle import Event, Status
from idstatus_server.model import Answer, Task
from idstatus_server.store.base import Needs


class Claimed(NamedTuple):
    """The tasks claimed, and the queues that have more but are at their limit.

    ``emptied`` tells that no more can be claimed now, ``repeated`` that the request was
    answered before: there will be no more.
    """

    tasks: Sequence[Task]
    limited: frozenset[str] = frozenset()
    emptied: bool = False
    repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Claim up to ``max_tasks`` tasks from the queues, in order of preference.

    ``lease`` is in microseconds. Once their sizes add up to ``max_bytes``, no more
    are claimed. Refused with RequestIdReusedError only.
    """

    queues: Sequence[str]
    max_tasks: int
    lease: int
    runner: str = ""
    max_bytes: int
    key: RequestKey = RequestKey()

    @property
    def weight(self) -> int:
        """How many tasks it touches at most."""
        return self.max_tasks

    def needs(self) -> Needs:
        """What must be loaded."""
        return Needs(
            queues=frozenset(self.queues),
            claims=dict.fromkeys(self.queues, self.max_tasks),
            request_ids=self.key.needed,
        )

    def decide(self, draft: Draft) -> Claimed:
        """Claim them, or return those of the first time that still run."""
        answer = self.key.answered(draft)
        if answer:
            return Claimed(_still_running(draft, answer.ids), repeated=True)
        claimed: list[Task] = []
        limited: set[str] = set()
        size = 0
        emptied = False
        for task in self._in_line(draft, limited):
            claimed.append(self._lease_out(draft, task))
            size += task.size
            if len(claimed) >= self.max_tasks or size >= self.max_bytes:
                break
        else:
            emptied = True
        if claimed:
            self.key.remember(draft, Answer(ids=tuple(task.id for task in claimed)))
        return Claimed(claimed, frozenset(limited), emptied)

    def _in_line(self, draft: Draft, limited: set[str]) -> Iterator[Task]:
        """Yield the tasks to claim as they are asked for; note the queues found at their limit."""
        for name in dict.fromkeys(self.queues):
            queue = draft.queue(name)
            if queue is None or queue.paused:
                continue
            while not queue.full(draft.running(name)):
                task = draft.next_claimable(name)
                if task is None:
                    break
                yield task
            else:
                limited.add(name)

    def _lease_out(self, draft: Draft, task: Task) -> Task:
        return draft.move(
            task,
            Event.CLAIM,
            f"runner:{self.runner}",
            runner=self.runner,
            start_time=draft.now,
            deadline=draft.now + task.timeout,
            lease_token=new_lease_token(),
            lease_duration=self.lease,
            lease_expire_time=draft.now + self.lease,
            claimed_in=draft.traceparent,
        )


def _still_running(draft: Draft, ids: Sequence[str]) -> list[Task]:
    running = []
    for task_id in ids:
        with suppress(TaskNotFoundError):
            running.append(draft.recall(task_id))
    return [task for task in running if task.status is Status.RUNNING]
