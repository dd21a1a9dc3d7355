"""Retries a task: by a client's wish, or by the task's own policy."""

import random
from dataclasses import dataclass

from idstatus_server.engine.commands.request import RequestKey
from idstatus_server.engine.draft import Draft
from idstatus_server.engine.ids import new_task_id
from idstatus_server.errors import TaskAlreadyRetriedError
from idstatus_server.lifecycle import Event, Reason
from idstatus_server.model import Answer, Task
from idstatus_server.store.base import Needs

# Spreads the retries of tasks that failed together.
_JITTER = 0.1
_spread = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Retry:
    """Create a task that does a terminal task's work again, ``delay`` from now.

    Refused with TaskNotFoundError, TaskNotFinishedError, TaskAlreadyRetriedError or
    RequestIdReusedError. The answer is the new task.
    """

    id: str
    delay: int = 0
    key: RequestKey = RequestKey()
    weight: int = 1

    def needs(self) -> Needs:
        """What must be loaded."""
        return Needs(ids=frozenset({self.id}), request_ids=self.key.needed)

    def decide(self, draft: Draft) -> Task:
        """Create the retry, or return that of the first time."""
        answer = self.key.answered(draft)
        if answer:
            return draft.recall(answer.ids[0]).as_created()
        old = draft.task(self.id)
        draft.require(old, Event.RETRY)
        if old.retried_by:
            raise TaskAlreadyRetriedError(old.id, old.retried_by)
        retries = old.retry_policy.max_retries if old.retry_policy else 0
        new_id = new_task_id()
        with draft.unit():
            old = draft.update(old, retried_by=new_id)
            new = _create_retry(draft, old, self.delay, retries, "client")
        self.key.remember(draft, Answer(ids=(new.id,)))
        return new


def fail(
    draft: Draft, task: Task, event: Event, actor: str, reason: Reason, **fields: object
) -> Task:
    """Move a task to ERROR and, if its policy says so, create its retry with it."""
    policy = task.retry_policy
    if not (policy and task.retries_left > 0 and policy.retries(reason)):
        return draft.move(task, event, actor, reason, **fields)
    new_id = new_task_id()
    with draft.unit():
        failed = draft.move(task, event, actor, reason, retried_by=new_id, **fields)
        delay = int(policy.delay(task.retry_number) * (1 + _spread.uniform(0, _JITTER)))
        _create_retry(draft, failed, delay, task.retries_left - 1, "server")
    return failed


def _create_retry(draft: Draft, old: Task, delay: int, retries_left: int, actor: str) -> Task:
    """Create the task that ``old.retried_by`` names."""
    new = Task(
        id=old.retried_by,
        queue=old.queue,
        priority=old.priority,
        size=old.size,
        content_type=old.content_type,
        labels=old.labels,
        run_time=draft.now + delay if delay else 0,
        timeout=old.timeout,
        retry_policy=old.retry_policy,
        retries_left=retries_left,
        root_id=old.root_id,
        retry_of=old.id,
        retry_number=old.retry_number + 1,
    )
    return draft.create(new, Event.CREATE_DELAYED if delay else Event.CREATE, actor, old.seq)
