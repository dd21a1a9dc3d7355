"""Why a task stands where it stands."""

from dataclasses import dataclass
from typing import Self

from idstatus.models import wire
from idstatus.models.enums import NextStep, Obstacle
from idstatus.models.queue import Queue
from idstatus.models.task import IdStatus, Task
from idstatus.v1 import task_service_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a task does not run yet, who holds it or how it ended, and what may be done next."""

    task: Task
    """As in `TaskView.BASIC`."""
    queue: Queue
    """The task's queue as it stands."""
    obstacles: tuple[Obstacle, ...]
    """What keeps a delayed or queued task from running; none: it waits for a runner."""
    tasks_ahead: int
    """How many tasks of its queue are handed out before a queued one, counted to 1,000."""
    more_tasks_ahead: bool
    """There are more than that."""
    chain: tuple[IdStatus, ...]
    """Its chain of retries, from the first task to the last; of a longer one the last 100."""
    more_in_chain: bool
    """The chain has earlier tasks than these."""
    next_steps: tuple[NextStep, ...]
    """What may be done with the task as it stands."""

    @classmethod
    def from_message(cls, message: task_service_pb2.ExplainTaskResponse) -> Self:
        """Read it from the wire; obstacles and steps newer than this package are left out."""
        return cls(
            task=Task.from_message(message.task),
            queue=Queue.from_message(message.queue),
            obstacles=wire.OBSTACLE.decode_known(message.obstacles),
            tasks_ahead=message.tasks_ahead,
            more_tasks_ahead=message.more_tasks_ahead,
            chain=tuple(map(IdStatus.from_message, message.chain)),
            more_in_chain=message.more_in_chain,
            next_steps=wire.NEXT_STEP.decode_known(message.next_steps),
        )
