"""Changes a queue's settings."""

from dataclasses import dataclass

from idstatus_server.engine.draft import Draft
from idstatus_server.errors import QueueNotFoundError
from idstatus_server.model import Queue, replace
from idstatus_server.store.base import Needs


@dataclass(frozen=True, slots=True)
class UpdateQueue:
    """Change settings of a queue; None leaves one as it is.

    ``retention`` is in microseconds; 0 means the server's own. Refused with
    QueueNotFoundError.
    """

    name: str
    paused: bool | None = None
    max_running: int | None = None
    retention: int | None = None
    weight: int = 1

    def needs(self) -> Needs:
        """What must be loaded."""
        return Needs(queues=frozenset({self.name}))

    def decide(self, draft: Draft) -> Queue:
        """Change it."""
        queue = draft.queue(self.name)
        if queue is None:
            raise QueueNotFoundError(self.name)
        wanted = {
            "paused": self.paused,
            "max_running": self.max_running,
            "retention": self.retention,
        }
        changed = replace(queue, **{k: v for k, v in wanted.items() if v is not None})
        draft.set_queue(changed)
        return changed
