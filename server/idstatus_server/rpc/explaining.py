"""ExplainTask: why a task stands where it stands, and what may be done next."""

from collections.abc import Iterator

from idstatus.v1 import task_service_pb2 as pb
from idstatus_server.lifecycle import Event, Status, allows
from idstatus_server.model import Filter, QueueState, Task
from idstatus_server.rpc import encode
from idstatus_server.rpc.fields import Fields
from idstatus_server.rpc.finding import find
from idstatus_server.rpc.guard import Context
from idstatus_server.rpc.rooms import Rooms
from idstatus_server.store.base import Page

# As many tasks ahead are counted, and as many of a chain are told.
_AHEAD, _CHAIN = 1000, 100


class Explaining:
    """Puts together what is known of a task's place."""

    def __init__(self, rooms: Rooms) -> None:
        self._store = rooms.store
        self._limits = rooms.limits
        self._clock = rooms.clock

    async def explain_task(
        self, request: pb.ExplainTaskRequest, _: Context
    ) -> pb.ExplainTaskResponse:
        """Explain a task."""
        fields = Fields(self._limits)
        fields.id("id", request.id)
        fields.check()
        task = await find(self._store, request.id)
        answer = pb.ExplainTaskResponse(next_steps=_next_steps(task))
        encode.task(answer.task, task, encode.BASIC)
        if task.status is Status.QUEUED:
            ahead = await self._store.ahead(task, _AHEAD + 1)
            answer.tasks_ahead = min(ahead, _AHEAD)
            answer.more_tasks_ahead = ahead > _AHEAD
        queue = await self._store.queue(task.queue)
        if queue:
            answer.queue.CopyFrom(encode.queue(queue, self._clock()))
            answer.obstacles.extend(_obstacles(task, queue, answer.tasks_ahead))
        await self._tell_chain(answer, task)
        return answer

    async def _tell_chain(self, answer: pb.ExplainTaskResponse, task: Task) -> None:
        chain = Filter(root_id=task.root_id)
        newest = await self._store.find(chain, Page(limit=_CHAIN + 1, newest_first=True))
        answer.more_in_chain = len(newest) > _CHAIN
        for member in reversed(newest[:_CHAIN]):
            encode.id_status(answer.chain.add(), member)


def _obstacles(task: Task, state: QueueState, ahead: int) -> Iterator[pb.Obstacle.ValueType]:
    delayed = allows(task.status, Event.DUE)
    if not (delayed or allows(task.status, Event.CLAIM)):
        return
    if delayed:
        yield pb.OBSTACLE_NOT_DUE
    if state.queue.paused:
        yield pb.OBSTACLE_QUEUE_PAUSED
    if state.queue.full(state.counts.get(Status.RUNNING, 0)):
        yield pb.OBSTACLE_QUEUE_FULL
    if ahead:
        yield pb.OBSTACLE_TASKS_AHEAD


def _next_steps(task: Task) -> Iterator[pb.NextStep.ValueType]:
    if not task.terminal:
        yield pb.NEXT_STEP_WAIT
    if allows(task.status, Event.CANCEL):
        yield pb.NEXT_STEP_CANCEL
    if allows(task.status, Event.RETRY) and not task.retried_by:
        yield pb.NEXT_STEP_RETRY
    if task.terminal:
        yield pb.NEXT_STEP_DELETE
