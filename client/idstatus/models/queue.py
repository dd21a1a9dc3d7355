"""A queue: its settings and what is in it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from idstatus.models import wire
from idstatus.v1 import queue_service_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCounts:
    """The number of tasks by status."""

    delayed: int
    queued: int
    running: int
    success: int
    error: int
    cancelled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue."""

    name: str
    paused: bool
    """While paused, none of its tasks are handed out; running ones go on."""
    max_running: int
    """How many of its tasks may run at once; 0: no limit."""
    retention: timedelta | None
    """How long its finished tasks are kept; None: as long as the server says."""
    counts: QueueCounts
    oldest_queued_time: datetime | None
    """When the longest-waiting queued task entered the queue; None if none waits."""
    oldest_queued_age: timedelta | None
    """How long ago that was."""

    @classmethod
    def from_message(cls, message: queue_service_pb2.Queue) -> Self:
        """Read it from the wire."""
        counts = message.counts
        return cls(
            name=message.name,
            paused=message.paused,
            max_running=message.max_running,
            retention=wire.decode_duration(message, "retention"),
            counts=QueueCounts(
                delayed=counts.delayed,
                queued=counts.queued,
                running=counts.running,
                success=counts.success,
                error=counts.error,
                cancelled=counts.cancelled,
            ),
            oldest_queued_time=wire.decode_time(message, "oldest_queued_time"),
            oldest_queued_age=wire.decode_duration(message, "oldest_queued_age"),
        )
