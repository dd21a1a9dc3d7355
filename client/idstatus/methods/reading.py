"""Asking what became of tasks."""

import time
from collections.abc import Iterable, Sequence

from idstatus.core.backoff import Backoff
from idstatus.core.operation import iteration, operation
from idstatus.core.steps import Item, ItemSteps, Methods, Sleep, Steps, rpc
from idstatus.errors import UnavailableError, WaitTimeoutError
from idstatus.models import wire
from idstatus.models.enums import ListOrder, TaskView
from idstatus.models.explanation import Explanation
from idstatus.models.filter import TaskFilter
from idstatus.models.task import IdStatus, Task
from idstatus.models.wire import Duration
from idstatus.v1 import task_service_pb2 as pb

# One long poll. Proxies like to end calls that are silent for longer.
_LONGEST_POLL = 30.0


class ReadingMethods(Methods):
    """Reads: none of them changes anything."""

    @operation
    def get(
        self,
        task_id: str,
        *,
        view: TaskView | None = None,
        rpc_timeout: Duration | None = None,
    ) -> Steps[Task]:
        """Return a task, in full unless `view` asks for less.

        Raises:
            TaskNotFoundError: There is none.
        """
        request = pb.GetTaskRequest(id=task_id, view=wire.TASK_VIEW.encode(view))
        response = yield from rpc(lambda stubs: stubs.tasks.GetTask, request, rpc_timeout)
        return Task.from_message(response.task)

    @operation
    def status(self, task_id: str, *, rpc_timeout: Duration | None = None) -> Steps[IdStatus]:
        """Return a task's status: the cheapest way to ask what became of it.

        Raises:
            TaskNotFoundError: There is none.
        """
        request = pb.GetIdStatusRequest(id=task_id)
        response = yield from rpc(lambda stubs: stubs.tasks.GetIdStatus, request, rpc_timeout)
        return IdStatus.from_message(response.id_status)

    @operation
    def statuses(
        self, task_ids: Iterable[str], *, rpc_timeout: Duration | None = None
    ) -> Steps[Sequence[IdStatus]]:
        """Return the statuses of 1 to 1,000 tasks, in the order asked.

        Raises:
            TaskNotFoundError: At least one of them is unknown.
        """
        request = pb.BatchGetIdStatusesRequest(ids=task_ids)
        response = yield from rpc(
            lambda stubs: stubs.tasks.BatchGetIdStatuses, request, rpc_timeout
        )
        return [IdStatus.from_message(message) for message in response.id_statuses]

    @operation
    def explain(self, task_id: str, *, rpc_timeout: Duration | None = None) -> Steps[Explanation]:
        """Tell why a task does not run yet or ended so, and what may be done next.

        Raises:
            TaskNotFoundError: There is none.
        """
        request = pb.ExplainTaskRequest(id=task_id)
        response = yield from rpc(lambda stubs: stubs.tasks.ExplainTask, request, rpc_timeout)
        return Explanation.from_message(response)

    @operation
    def wait(
        self,
        task_id: str,
        *,
        timeout: Duration | None = None,
        view: TaskView | None = None,
    ) -> Steps[Task]:
        """Return a task once it is terminal, in full unless `view` asks for less.

        Waits on the server, in long polls, and bears an outage as long as the client's default
        timeout.

        Args:
            task_id: The task's id.
            timeout: How long to wait; None: for ever.
            view: How much of the task to return.

        Raises:
            TaskNotFoundError: There is none.
            WaitTimeoutError: It was not terminal in time; the error has the task as it then was.
            UnavailableError: The server was away for too long.
        """
        end = None if timeout is None else time.monotonic() + wire.seconds(timeout)
        backoff = Backoff(patience=self.timeout)
        while True:
            poll = _LONGEST_POLL if end is None else end - time.monotonic()
            poll = min(max(poll, 0.0), _LONGEST_POLL)
            request = pb.WaitTaskRequest(
                id=task_id, wait=wire.encode_duration(poll), view=wire.TASK_VIEW.encode(view)
            )
            limit = poll + self.timeout
            try:
                response = yield from rpc(lambda stubs: stubs.tasks.WaitTask, request, limit)
            except UnavailableError as error:
                if end is not None and time.monotonic() >= end:
                    raise
                yield Sleep(backoff.pause_after(error))
                continue
            backoff.succeeded()
            task = Task.from_message(response.task)
            if task.is_terminal:
                return task
            if end is not None and time.monotonic() >= end:
                raise WaitTimeoutError(task)

    @iteration
    def list(
        self,
        task_filter: TaskFilter | None = None,
        *,
        order: ListOrder = ListOrder.NEWEST_FIRST,
        view: TaskView | None = None,
        page_size: int = 0,
        rpc_timeout: Duration | None = None,
    ) -> ItemSteps[Task]:
        """Iterate over the tasks that match, all if there is no filter.

        Args:
            task_filter: Which tasks.
            order: In the order of creation, either way.
            view: How much of each; None: `TaskView.BASIC`.
            page_size: How many to fetch at once, at most 1,000; 0: 50. The next page is fetched
                when the one before has been used up.
            rpc_timeout: The deadline for each page.
        """
        request = pb.ListTasksRequest(
            filter=task_filter.to_message() if task_filter else None,
            order=wire.LIST_ORDER.encode(order),
            view=wire.TASK_VIEW.encode(view),
            page_size=page_size,
        )
        while True:
            response = yield from rpc(lambda stubs: stubs.tasks.ListTasks, request, rpc_timeout)
            for message in response.tasks:
                yield Item(Task.from_message(message))
            request.page_token = response.next_page_token
            if not request.page_token:
                return
