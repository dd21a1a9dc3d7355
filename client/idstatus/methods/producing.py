"""Creating tasks, and calling them off."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from idstatus.core.operation import operation
from idstatus.core.steps import Methods, Steps, rpc
from idstatus.decoding import from_status
from idstatus.errors import RpcError
from idstatus.ids import new_id
from idstatus.models import wire
from idstatus.models.body import Body
from idstatus.models.filter import TaskFilter
from idstatus.models.new_task import NewTask
from idstatus.models.task import IdStatus, RetryPolicy, Task
from idstatus.models.wire import Duration
from idstatus.v1 import task_service_pb2 as pb


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelResult:
    """What a cancellation of many came to."""

    count: int
    """How many tasks were cancelled or, if it was only a preview, would be."""
    id_statuses: Sequence[IdStatus]
    """The tasks named that are now cancelled; with a filter the first 1,000."""
    errors: Mapping[str, RpcError]
    """Of the ids given, those that could not be cancelled, and why."""


class ProducingMethods(Methods):
    """Writes: when one returns, the change is on disk.

    Each carries a request id, the caller's or one made here, so that a repeat after a lost
    answer returns the first answer. `delete` has none: repeated, it may find the task gone.
    """

    @operation
    def create(
        self,
        payload: Body = b"",
        *,
        queue: str = "",
        content_type: str = "",
        priority: int = 0,
        labels: Mapping[str, str] | None = None,
        unique_key: str = "",
        delay: Duration | None = None,
        run_time: datetime | None = None,
        timeout: Duration | None = None,
        retry_policy: RetryPolicy | None = None,
        task_id: str = "",
        request_id: str = "",
        rpc_timeout: Duration | None = None,
    ) -> Steps[Task]:
        """Create a task, queued or delayed, and return it without its payload.

        The fields are those of `NewTask`; `timeout` is the longest run allowed to the task,
        `rpc_timeout` the deadline of the call.

        Raises:
            InvalidFieldError: A field is faulty.
            TaskExistsError: The chosen id is taken.
            UniqueKeyHeldError: An unfinished task holds the unique key.
        """
        new_task = NewTask(
            payload=payload,
            queue=queue,
            content_type=content_type,
            priority=priority,
            labels=labels or {},
            unique_key=unique_key,
            delay=delay,
            run_time=run_time,
            timeout=timeout,
            retry_policy=retry_policy,
            task_id=task_id,
        )
        request = new_task.to_message(request_id or new_id())
        response = yield from rpc(lambda stubs: stubs.tasks.CreateTask, request, rpc_timeout)
        return Task.from_message(response.task)

    @operation
    def create_batch(
        self,
        new_tasks: Iterable[NewTask],
        *,
        request_id: str = "",
        rpc_timeout: Duration | None = None,
    ) -> Steps[Sequence[Task]]:
        """Create 1 to 1,000 tasks, all or none, and return them in the same order.

        Raises:
            InvalidFieldError: A field is faulty, for example `requests[3].queue`.
            TaskExistsError: A chosen id is taken.
            UniqueKeyHeldError: An unfinished task holds a unique key.
        """
        request = pb.BatchCreateTasksRequest(
            requests=[new_task.to_message() for new_task in new_tasks],
            request_id=request_id or new_id(),
        )
        response = yield from rpc(lambda stubs: stubs.tasks.BatchCreateTasks, request, rpc_timeout)
        return [Task.from_message(message) for message in response.tasks]

    @operation
    def cancel(
        self,
        task_id: str,
        *,
        message: str = "",
        request_id: str = "",
        rpc_timeout: Duration | None = None,
    ) -> Steps[IdStatus]:
        """Cancel a task and return what stands; its execution tells if a runner is still at work.

        Cancelling a cancelled task is no error. `message` says why, for people.

        Raises:
            TaskNotFoundError: There is none.
            TaskFinishedError: It ended before.
        """
        request = pb.CancelTaskRequest(
            id=task_id, message=message, request_id=request_id or new_id()
        )
        response = yield from rpc(lambda stubs: stubs.tasks.CancelTask, request, rpc_timeout)
        return IdStatus.from_message(response.id_status)

    @operation
    def cancel_batch(
        self,
        task_ids: Iterable[str] = (),
        *,
        task_filter: TaskFilter | None = None,
        message: str = "",
        validate_only: bool = False,
        request_id: str = "",
        rpc_timeout: Duration | None = None,
    ) -> Steps[CancelResult]:
        """Cancel up to 1,000 tasks by id, or all that match a filter; each for itself.

        With `validate_only` nothing is cancelled, only counted.

        Raises:
            InvalidFieldError: Neither ids nor a filter is given, or both are.
        """
        request = pb.BatchCancelTasksRequest(
            ids=task_ids,
            filter=task_filter.to_message() if task_filter is not None else None,
            message=message,
            validate_only=validate_only,
            request_id=request_id or new_id(),
        )
        response = yield from rpc(lambda stubs: stubs.tasks.BatchCancelTasks, request, rpc_timeout)
        return CancelResult(
            count=response.count,
            id_statuses=[IdStatus.from_message(status) for status in response.id_statuses],
            errors={item.id: from_status(item.error) for item in response.errors},
        )

    @operation
    def retry(
        self,
        task_id: str,
        *,
        delay: Duration | None = None,
        request_id: str = "",
        rpc_timeout: Duration | None = None,
    ) -> Steps[Task]:
        """Create a new task that does a terminal task's work again, and return it.

        Raises:
            TaskNotFoundError: There is none.
            TaskNotFinishedError: It is not terminal yet.
            TaskAlreadyRetriedError: It was retried before; to go on, retry the last of the chain.
        """
        request = pb.RetryTaskRequest(
            id=task_id, delay=wire.encode_duration(delay), request_id=request_id or new_id()
        )
        response = yield from rpc(lambda stubs: stubs.tasks.RetryTask, request, rpc_timeout)
        return Task.from_message(response.task)

    @operation
    def delete(self, task_id: str, *, rpc_timeout: Duration | None = None) -> Steps[None]:
        """Delete a terminal task. Its id stays used.

        Raises:
            TaskNotFoundError: There is none, or an attempt whose answer was lost deleted it.
            TaskNotFinishedError: It is not terminal yet.
        """
        request = pb.DeleteTaskRequest(id=task_id)
        yield from rpc(lambda stubs: stubs.tasks.DeleteTask, request, rpc_timeout)
