"""Whether a store tells one story: its log, its tasks, and what was acknowledged."""

from collections.abc import Iterator, Mapping

import grpc
from google.protobuf.duration_pb2 import Duration

from idstatus.v1 import task_pb2 as m
from idstatus.v1 import task_service_pb2 as t
from idstatus.v1.task_service_pb2_grpc import TaskServiceStub

_OPTIONS = [("grpc.max_receive_message_length", -1)]


class Story:
    """The log of a store from a token on, and the tasks at its end."""

    def __init__(self, address: str, token: str) -> None:
        self.log: list[t.TaskChange] = []
        with grpc.insecure_channel(address, _OPTIONS) as channel:
            tasks = TaskServiceStub(channel)
            while True:  # timers may change something amid it
                changes, token = _read(tasks, token)
                self.log += changes
                self.tasks = {task.id: task for task in _listed(tasks)}
                if newest_token(address) == token:
                    return

    def faults(self, acknowledged: Mapping[str, int]) -> Iterator[str]:
        """Yield where log, tasks and what was acknowledged do not agree."""
        told = {(change.id_status.id, change.id_status.revision) for change in self.log}
        for task_id, revision in acknowledged.items():
            if (task_id, revision) not in told:
                yield f"task {task_id} was acknowledged at {revision}, which the log does not have"
        stand: dict[str, m.IdStatus] = {}
        first = self.log[0].id_status.revision if self.log else 0
        for place, change in enumerate(self.log, first):
            now, before = change.id_status, stand.get(change.id_status.id)
            if now.revision != place:
                yield f"revision {now.revision} stands at place {place} of the log"
            if change.previous_status != (before.status if before else m.STATUS_UNSPECIFIED):
                yield f"revision {place} says {change.previous_status} of what was {before}"
            if change.type == t.TaskChange.TYPE_DELETED:
                del stand[now.id]
            else:
                stand[now.id] = now
        listed = {task.id: (task.status, task.revision) for task in self.tasks.values()}
        if listed != {task_id: (now.status, now.revision) for task_id, now in stand.items()}:
            yield "the tasks are not those that the log ends with"


def newest_token(address: str) -> str:
    """Return the token of a watch that begins now."""
    with grpc.insecure_channel(address) as channel:
        tasks = TaskServiceStub(channel)
        return str(next(tasks.WatchTasks(t.WatchTasksRequest(skip_snapshot=True))).resume_token)


def _listed(tasks: TaskServiceStub) -> Iterator[m.Task]:
    request = t.ListTasksRequest(page_size=1000)
    while True:
        page = tasks.ListTasks(request)
        yield from page.tasks
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def _read(tasks: TaskServiceStub, token: str) -> tuple[list[t.TaskChange], str]:
    """Return all changes from a token on, and the token of the bookmark that ends them."""
    changes: list[t.TaskChange] = []
    request = t.WatchTasksRequest(resume_token=token, bookmark_interval=Duration(seconds=1))
    for message in tasks.WatchTasks(request):
        changes += message.changes
        if not message.changes:
            token = message.resume_token
            break
    return changes, token
