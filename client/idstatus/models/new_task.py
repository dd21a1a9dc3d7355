"""What to create."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from idstatus.models import wire
from idstatus.models.body import JSON, Body, encode_body, is_json
from idstatus.models.task import RetryPolicy
from idstatus.models.wire import Duration
from idstatus.v1 import task_service_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A task to create, as one of a batch."""

    payload: Body = b""
    """The work itself."""
    queue: str = ""
    """[a-z0-9._-]{1,64}; empty: "default"."""
    content_type: str = ""
    """The media type of the payload; empty: "application/json" if it is sent as JSON."""
    priority: int = 0
    """0 to 9; a higher one is claimed first."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """At most 32."""
    unique_key: str = ""
    """While an unfinished task holds this key, another create with it is refused."""
    delay: Duration | None = None
    """It may run this long after the creation, at most 1 year. Not together with `run_time`."""
    run_time: datetime | None = None
    """It may run from this time on, at most 1 year ahead."""
    timeout: Duration | None = None
    """Longest run allowed, 1 s to 30 days; None: 60 s."""
    retry_policy: RetryPolicy | None = None
    """How it is retried when it ends in error; None: not at all."""
    task_id: str = ""
    """Its id, [A-Za-z0-9._~-]{1,128}; empty: the server makes one."""

    def to_message(self, request_id: str = "") -> task_service_pb2.CreateTaskRequest:
        """Write it for the wire.

        Raises:
            TypeError: The payload is of a kind that JSON has not.
            ValueError: The payload has a value that JSON has not; both delay and run_time are
                given; or run_time has no time zone.
        """
        if self.delay is not None and self.run_time is not None:
            raise ValueError("give delay or run_time, not both")
        return task_service_pb2.CreateTaskRequest(
            queue=self.queue,
            payload=encode_body(self.payload),
            content_type=self.content_type or (JSON if is_json(self.payload) else ""),
            priority=self.priority,
            labels=self.labels,
            unique_key=self.unique_key,
            delay=wire.encode_duration(self.delay),
            run_time=wire.encode_time(self.run_time),
            timeout=wire.encode_duration(self.timeout),
            retry_policy=self.retry_policy.to_message() if self.retry_policy else None,
            task_id=self.task_id,
            request_id=request_id,
        )
