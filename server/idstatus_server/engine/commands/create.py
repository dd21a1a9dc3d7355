"""Creates tasks, all or none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from idstatus_server.engine.commands.request import RequestKey
from idstatus_server.engine.draft import Draft
from idstatus_server.engine.ids import new_task_id
from idstatus_server.errors import TaskExistsError, UniqueKeyHeldError
from idstatus_server.lifecycle import Event
from idstatus_server.model import Answer, Queue, RetryPolicy, Task, message_size
from idstatus_server.store.base import Needs


class NewTask(NamedTuple):
    """What to create. Spans and times are in microseconds; 0 means unset."""

    queue: str
    timeout: int
    labels: dict[str, str]
    payload: bytes = b""
    content_type: str = ""
    priority: int = 0
    unique_key: str = ""
    delay: int = 0
    run_time: int = 0
    retry_policy: RetryPolicy | None = None
    task_id: str = ""
    key: RequestKey = RequestKey()


@dataclass(frozen=True, slots=True)
class Create:
    """Create tasks; the answer holds them in the order of the items.

    Refused with TaskExistsError, UniqueKeyHeldError or RequestIdReusedError: then
    none of them is created.
    """

    items: Sequence[NewTask]
    key: RequestKey = RequestKey()

    @property
    def weight(self) -> int:
        """How many tasks it touches."""
        return len(self.items)

    def needs(self) -> Needs:
        """What must be loaded."""
        return Needs(
            ids=frozenset(item.task_id for item in self.items if item.task_id),
            unique_keys=frozenset(item.unique_key for item in self.items if item.unique_key),
            request_ids=self.key.needed.union(*(item.key.needed for item in self.items)),
            queues=frozenset(item.queue for item in self.items),
        )

    def decide(self, draft: Draft) -> list[Task]:
        """Create them, or return those of the first time."""
        answer = self.key.answered(draft)
        if answer:
            return [draft.recall(task_id).as_created() for task_id in answer.ids]
        with draft.unit():
            tasks = [_create(draft, item) for item in self.items]
        self.key.remember(draft, Answer(ids=tuple(task.id for task in tasks)))
        return tasks


def _create(draft: Draft, item: NewTask) -> Task:
    answer = item.key.answered(draft)
    if answer:
        return draft.recall(answer.ids[0]).as_created()
    if item.task_id and draft.id_taken(item.task_id):
        raise TaskExistsError(item.task_id)
    holder = draft.key_holder(item.unique_key) if item.unique_key else None
    if holder:
        raise UniqueKeyHeldError(item.unique_key, holder)
    run_time = draft.now + item.delay if item.delay else item.run_time
    delayed = run_time > draft.now
    policy = item.retry_policy
    task = Task(
        id=item.task_id or new_task_id(),
        queue=item.queue,
        priority=item.priority,
        content_type=item.content_type,
        labels=item.labels,
        unique_key=item.unique_key,
        run_time=run_time,
        timeout=item.timeout,
        retry_policy=policy,
        retries_left=policy.max_retries if policy else 0,
        size=message_size(item.payload, item.labels, item.unique_key, item.content_type),
    )
    if draft.queue(item.queue) is None:  # a queue comes to exist with its first task
        draft.set_queue(Queue(name=item.queue))
    event = Event.CREATE_DELAYED if delayed else Event.CREATE
    created = draft.create(task, event, "client", item.payload)
    item.key.remember(draft, Answer(ids=(created.id,)))
    return created
