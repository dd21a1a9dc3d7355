"""Looking after the queues."""

from typing import Literal

from google.protobuf.field_mask_pb2 import FieldMask

from idstatus.core.operation import iteration, operation
from idstatus.core.steps import Item, ItemSteps, Methods, Steps, rpc
from idstatus.models import wire
from idstatus.models.queue import Queue
from idstatus.models.wire import Duration
from idstatus.v1 import queue_service_pb2 as pb


class QueueingMethods(Methods):
    """Queues: a queue exists from its first task on."""

    @operation
    def queue(self, name: str, *, rpc_timeout: Duration | None = None) -> Steps[Queue]:
        """Return a queue: its settings and what is in it.

        Raises:
            QueueNotFoundError: There is none.
        """
        request = pb.GetQueueRequest(name=name)
        response = yield from rpc(lambda stubs: stubs.queues.GetQueue, request, rpc_timeout)
        return Queue.from_message(response.queue)

    @iteration
    def queues(
        self, *, page_size: int = 0, rpc_timeout: Duration | None = None
    ) -> ItemSteps[Queue]:
        """Iterate over the queues by name, fetching `page_size` at once (0: 50)."""
        request = pb.ListQueuesRequest(page_size=page_size)
        while True:
            response = yield from rpc(lambda stubs: stubs.queues.ListQueues, request, rpc_timeout)
            for message in response.queues:
                yield Item(Queue.from_message(message))
            request.page_token = response.next_page_token
            if not request.page_token:
                return

    @operation
    def update_queue(
        self,
        name: str,
        *,
        paused: bool | None = None,
        max_running: int | None = None,
        retention: Duration | Literal["default"] | None = None,
        rpc_timeout: Duration | None = None,
    ) -> Steps[Queue]:
        """Change a queue's settings; those that are None stay as they are.

        Args:
            name: The queue's name.
            paused: Whether to hold its tasks back. Running ones go on.
            max_running: How many of its tasks may run at once; 0: no limit.
            retention: How long its finished tasks are kept; "default": as long as the server
                says.
            rpc_timeout: The deadline of the call.

        Raises:
            QueueNotFoundError: There is none.
            InvalidFieldError: A setting is faulty, or none is given.
        """
        settings = {"paused": paused, "max_running": max_running, "retention": retention}
        request = pb.UpdateQueueRequest(
            queue=pb.Queue(
                name=name,
                paused=bool(paused),
                max_running=max_running or 0,
                retention=None if retention == "default" else wire.encode_duration(retention),
            ),
            update_mask=FieldMask(
                paths=[path for path, value in settings.items() if value is not None]
            ),
        )
        response = yield from rpc(lambda stubs: stubs.queues.UpdateQueue, request, rpc_timeout)
        return Queue.from_message(response.queue)
