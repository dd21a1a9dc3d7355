"""Which tasks are meant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from idstatus.models import wire
from idstatus.models.enums import Status
from idstatus.v1 import task_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """A task must match every field that is set; an empty filter means all tasks."""

    queues: Sequence[str] = ()
    """Any of these."""
    statuses: Sequence[Status] = ()
    """Any of these."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """All of these, with these values."""
    root_id: str = ""
    """The chain of retries that began with this task."""
    created_from: datetime | None = None
    """The first instant of creation that matches."""
    created_until: datetime | None = None
    """The first instant of creation that no longer matches."""
    has_late_report: bool | None = None
    """Whether a late report was kept; None: either."""

    def to_message(self) -> task_pb2.TaskFilter:
        """Write it for the wire."""
        message = task_pb2.TaskFilter(
            queues=self.queues,
            statuses=map(wire.STATUS.encode, self.statuses),
            labels=self.labels,
            root_id=self.root_id,
            has_late_report=self.has_late_report,
        )
        if self.created_from is not None or self.created_until is not None:
            start, end = wire.encode_time(self.created_from), wire.encode_time(self.created_until)
            message.create_time.CopyFrom(task_pb2.TimeRange(start=start, end=end))
        return message
