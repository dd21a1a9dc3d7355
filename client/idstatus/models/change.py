"""What a watch tells."""

from dataclasses import dataclass
from typing import Self

from idstatus.models import wire
from idstatus.models.enums import ChangeType, Status
from idstatus.models.task import IdStatus, Task
from idstatus.v1 import task_service_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of one task."""

    type: ChangeType
    id_status: IdStatus
    """The status after the change."""
    previous_status: Status | None
    """The status before; None for a snapshot and for a creation."""
    task: Task | None
    """The task after the change, in the views beyond `TaskView.STATUS`."""

    @classmethod
    def from_message(cls, message: task_service_pb2.TaskChange) -> Self:
        """Read it from the wire."""
        return cls(
            type=wire.CHANGE_TYPE.decode(message.type),
            id_status=IdStatus.from_message(message.id_status),
            previous_status=wire.STATUS.decode_optional(message.previous_status),
            task=Task.from_message(message.task) if message.HasField("task") else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeBatch:
    """Changes that belong together: what was committed together is never split.

    With no changes it is a bookmark: nothing happened, but the token moved.
    """

    changes: tuple[Change, ...]
    """Ordered by revision."""
    snapshot_complete: bool
    """The snapshot ends here; what follows are changes."""
    resume_token: str
    """Resumes a watch right after this batch."""
