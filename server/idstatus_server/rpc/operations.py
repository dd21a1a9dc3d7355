"""google.longrunning.Operations: every task is an operation, too (AIP-151).

Clients that have helpers for long-running operations need nothing of our schema but the
message of a task. Names, outcomes and examples are in ``docs/operations.md``.
"""

from contextlib import suppress

from google.longrunning import operations_pb2 as pb
from google.protobuf.empty_pb2 import Empty

from idstatus_server.engine.commands import Cancel, Delete
from idstatus_server.errors import TaskFinishedError
from idstatus_server.lifecycle import Status
from idstatus_server.limits import OPERATIONS
from idstatus_server.model import Task
from idstatus_server.rpc import decode, operation
from idstatus_server.rpc.fields import Fields
from idstatus_server.rpc.filtering import read_filter
from idstatus_server.rpc.finding import find, find_whole
from idstatus_server.rpc.guard import Context
from idstatus_server.rpc.listing import Asked, Listing
from idstatus_server.rpc.rooms import Rooms
from idstatus_server.rpc.watching import Watching, call_patience


class OperationsService:
    """What clients call that know operations and not our services."""

    def __init__(self, rooms: Rooms, listing: Listing, watching: Watching) -> None:
        self._store = rooms.store
        self._ledger = rooms.ledger
        self._limits = rooms.limits
        self._listing = listing
        self._watching = watching

    async def list_operations(
        self, request: pb.ListOperationsRequest, _: Context
    ) -> pb.ListOperationsResponse:
        """Return one page of operations, newest first."""
        fields = Fields(self._limits)
        if request.name not in ("", OPERATIONS):
            fields.fault("name", f"must be {OPERATIONS} or empty")
        wanted = decode.task_filter(fields, read_filter(fields, request.filter))
        size = fields.page_size(request.page_size)
        fields.check()
        same = pb.ListOperationsRequest(name=request.name, filter=request.filter)
        # With the name, for ListTasks without arguments has the same bytes.
        arguments = same.DESCRIPTOR.full_name.encode() + same.SerializeToString(deterministic=True)
        asked = Asked(wanted, size, request.page_token, arguments, _has_response)
        answer = pb.ListOperationsResponse()
        answer.next_page_token = await self._listing.fill(answer.operations, asked, operation.tell)
        return answer

    async def get_operation(self, request: pb.GetOperationRequest, _: Context) -> pb.Operation:
        """Return an operation."""
        return await self._told(self._named(request.name))

    async def delete_operation(self, request: pb.DeleteOperationRequest, _: Context) -> Empty:
        """Delete a task that is terminal; of one that is not, the result is yet to come."""
        await self._ledger.submit(Delete(self._named(request.name)))
        return Empty()

    async def cancel_operation(self, request: pb.CancelOperationRequest, _: Context) -> Empty:
        """Cancel a task. One that has ended otherwise stands: the caller is to look."""
        command = Cancel(self._named(request.name))
        with suppress(TaskFinishedError):
            await self._ledger.submit(command)
        return Empty()

    async def wait_operation(
        self, request: pb.WaitOperationRequest, context: Context
    ) -> pb.Operation:
        """Wait until an operation is done, or the time is over."""
        fields = Fields(self._limits)
        task_id = fields.operation("name", request.name)
        wait = fields.wait("timeout", request, default=self._limits.max_wait)
        fields.check()
        await self._watching.until_terminal(task_id, call_patience(context, wait))
        return await self._told(task_id)

    def _named(self, name: str) -> str:
        """Return the id of the task that is the operation of this name."""
        fields = Fields(self._limits)
        task_id = fields.operation("name", name)
        fields.check()
        return task_id

    async def _told(self, task_id: str) -> pb.Operation:
        task = await find(self._store, task_id)
        answer = pb.Operation()
        if _has_response(task):
            operation.tell(answer, *await find_whole(self._store, task_id))
        else:
            operation.tell(answer, task)
        return answer


def _has_response(task: Task) -> bool:
    """Whether payload and result are told: whoever polls has no use for them before."""
    return task.status is Status.SUCCESS
