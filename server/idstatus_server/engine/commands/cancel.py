"""Cancels tasks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from idstatus_server.engine.commands.request import RequestKey
from idstatus_server.engine.draft import Draft, refusal
from idstatus_server.errors import DomainError
from idstatus_server.lifecycle import Event, Reason, Status
from idstatus_server.model import Task
from idstatus_server.store.base import Answer, Needs


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel a task. Refused with TaskNotFoundError, TaskFinishedError or RequestIdReusedError.

    A task that is cancelled already is answered as it stands.
    """

    id: str
    message: str = ""
    key: RequestKey = RequestKey()
    weight: int = 1

    def needs(self) -> Needs:
        """What must be loaded."""
        return Needs(ids=frozenset({self.id}), request_ids=self.key.needed)

    def decide(self, draft: Draft) -> Task:
        """Cancel it."""
        if self.key.answered(draft):
            return draft.task(self.id).as_cancelled()
        task = _cancel(draft, self.id, self.message)
        self.key.remember(draft, (self.id,))
        return task


class Cancelled(NamedTuple):
    """What a batch did: each task or why not, and how many were cancelled by it."""

    results: Sequence[Task | DomainError]
    total: int


@dataclass(frozen=True, slots=True)
class CancelBatch:
    """Cancel tasks, each on its own; only RequestIdReusedError refuses them all.

    ``before`` counts what earlier commits of the same request have cancelled.
    """

    ids: Sequence[str]
    message: str = ""
    before: int = 0
    key: RequestKey = RequestKey()

    @property
    def weight(self) -> int:
        """How many tasks it touches."""
        return len(self.ids)

    def needs(self) -> Needs:
        """What must be loaded."""
        return Needs(ids=frozenset(self.ids), request_ids=self.key.needed)

    def decide(self, draft: Draft) -> Cancelled:
        """Cancel them."""
        answer = self.key.answered(draft)
        if answer:
            return _recall(draft, answer, self.ids)
        results: list[Task | DomainError] = []
        total = self.before
        for task_id in self.ids:
            try:
                done = draft.task(task_id).status is Status.CANCELLED
                results.append(_cancel(draft, task_id, self.message))
                total += not done
            except DomainError as error:
                results.append(error)
        ids = tuple(result.id for result in results if isinstance(result, Task))
        self.key.remember(draft, ids, total)
        return Cancelled(results, total)


@dataclass(frozen=True, slots=True)
class RecallCancel:
    """Return what a batch was answered before, or None."""

    key: RequestKey
    weight: int = 1

    def needs(self) -> Needs:
        """What must be loaded."""
        return Needs(request_ids=self.key.needed)

    def decide(self, draft: Draft) -> Cancelled | None:
        """Look it up."""
        answer = self.key.answered(draft)
        return answer and _recall(draft, answer, answer.ids)


def _recall(draft: Draft, answer: Answer, ids: Sequence[str]) -> Cancelled:
    results: list[Task | DomainError] = []
    for task_id in ids:
        try:
            task = draft.task(task_id)
            cancelled = task_id in answer.ids
            results.append(task.as_cancelled() if cancelled else refusal(task, "cancel"))
        except DomainError as error:
            results.append(error)
    return Cancelled(results, answer.total)


def _cancel(draft: Draft, task_id: str, message: str) -> Task:
    task = draft.task(task_id)
    if task.status is Status.CANCELLED:
        return task
    return draft.move(task, Event.CANCEL, "client", Reason.CLIENT_REQUEST, message=message)
