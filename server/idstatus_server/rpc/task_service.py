"""TaskService: creates tasks, tells what became of them, cancels and retries."""

from idstatus.v1 import task_service_pb2 as pb
from idstatus_server.access import caller
from idstatus_server.engine.commands import Cancel, Create, Delete, Retry
from idstatus_server.errors import TaskNotFoundError, UniqueKeyHeldError
from idstatus_server.model import Task
from idstatus_server.rpc import decode, encode
from idstatus_server.rpc.cancelling import Cancelling
from idstatus_server.rpc.explaining import Explaining
from idstatus_server.rpc.fields import Fields
from idstatus_server.rpc.finding import as_seen, find, tell
from idstatus_server.rpc.guard import Context
from idstatus_server.rpc.listing import MAX_ANSWER, Listing
from idstatus_server.rpc.rooms import Rooms
from idstatus_server.rpc.watching import Watching


class TaskService:
    """What producers, watchers and operators call."""

    def __init__(self, rooms: Rooms, listing: Listing, watching: Watching) -> None:
        self._store = rooms.store
        self._ledger = rooms.ledger
        self._limits = rooms.limits
        self._clock = rooms.clock
        self.list_tasks = listing.list_tasks
        self.batch_cancel_tasks = Cancelling(rooms.ledger, listing, rooms.limits).batch_cancel_tasks
        self.explain_task = Explaining(rooms).explain_task
        self.watch_tasks = watching.watch_tasks
        self.wait_task = watching.wait_task

    async def create_task(self, request: pb.CreateTaskRequest, _: Context) -> pb.CreateTaskResponse:
        """Create a task."""
        fields = Fields(self._limits)
        item = decode.new_task(fields, request, self._clock())
        fields.check()
        (task,) = await self._create(Create((item,)))
        answer = pb.CreateTaskResponse()
        encode.task(answer.task, task, encode.BASIC)
        return answer

    async def batch_create_tasks(
        self, request: pb.BatchCreateTasksRequest, _: Context
    ) -> pb.BatchCreateTasksResponse:
        """Create tasks, all or none."""
        fields = Fields(self._limits)
        fields.batch("requests", len(request.requests))
        fields.check()
        now = self._clock()
        items = [
            decode.new_task(fields.at(f"requests[{i}]"), item, now)
            for i, item in enumerate(request.requests)
        ]
        key = decode.request_key(fields, request)
        fields.check()
        tasks = await self._create(Create(items, key))
        view = encode.BASIC if sum(t.size for t in tasks) < MAX_ANSWER else encode.STATUS
        answer = pb.BatchCreateTasksResponse()
        for task in tasks:
            encode.task(answer.tasks.add(), task, view)
        return answer

    async def _create(self, command: Create) -> list[Task]:
        try:
            return await self._ledger.submit(command)
        except UniqueKeyHeldError as error:
            raise await as_seen(error, self._store) from None

    async def get_task(self, request: pb.GetTaskRequest, _: Context) -> pb.GetTaskResponse:
        """Return a task."""
        fields = Fields(self._limits)
        view = decode.view(fields, request.view, encode.FULL)
        fields.id("id", request.id)
        fields.check()
        answer = pb.GetTaskResponse()
        await tell(answer.task, self._store, request.id, view)
        return answer

    async def get_id_status(
        self, request: pb.GetIdStatusRequest, _: Context
    ) -> pb.GetIdStatusResponse:
        """Return what became of a task."""
        fields = Fields(self._limits)
        fields.id("id", request.id)
        fields.check()
        answer = pb.GetIdStatusResponse()
        encode.id_status(answer.id_status, await find(self._store, request.id))
        return answer

    async def batch_get_id_statuses(
        self, request: pb.BatchGetIdStatusesRequest, _: Context
    ) -> pb.BatchGetIdStatusesResponse:
        """Return what became of tasks, in the order asked."""
        fields = Fields(self._limits)
        fields.batch("ids", len(request.ids))
        fields.check()
        for i, task_id in enumerate(request.ids):
            fields.id(f"ids[{i}]", task_id)
        fields.check()
        found = await self._store.tasks(request.ids)
        for task_id in request.ids:
            if task_id not in found:
                raise TaskNotFoundError(task_id)
            caller.get().touch(task_id, found[task_id].queue)
        answer = pb.BatchGetIdStatusesResponse()
        for task_id in request.ids:
            encode.id_status(answer.id_statuses.add(), found[task_id])
        return answer

    async def cancel_task(self, request: pb.CancelTaskRequest, _: Context) -> pb.CancelTaskResponse:
        """Cancel a task."""
        fields = Fields(self._limits)
        command = Cancel(
            fields.id("id", request.id),
            fields.text("message", request.message, self._limits.long_text),
            decode.request_key(fields, request),
        )
        fields.check()
        task = await self._ledger.submit(command)
        answer = pb.CancelTaskResponse()
        encode.id_status(answer.id_status, task)
        return answer

    async def retry_task(self, request: pb.RetryTaskRequest, _: Context) -> pb.RetryTaskResponse:
        """Retry a task."""
        fields = Fields(self._limits)
        command = Retry(
            fields.id("id", request.id),
            fields.span("delay", request, 0, self._limits.delay),
            decode.request_key(fields, request),
        )
        fields.check()
        task = await self._ledger.submit(command)
        answer = pb.RetryTaskResponse()
        encode.task(answer.task, task, encode.BASIC)
        return answer

    async def delete_task(self, request: pb.DeleteTaskRequest, _: Context) -> pb.DeleteTaskResponse:
        """Delete a task."""
        fields = Fields(self._limits)
        fields.id("id", request.id)
        fields.check()
        await self._ledger.submit(Delete(request.id))
        return pb.DeleteTaskResponse()
