"""Cancels tasks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from idstatus_server.engine.commands.request import RequestKey
from idstatus_server.engine.draft import Draft, refusal
from idstatus_server.errors import DomainError, NotPermittedError, TaskNotFoundError
from idstatus_server.lifecycle import Event, Reason, Status
from idstatus_server.model import Answer, Stand, Task
from idstatus_server.store.base import Needs


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
        answer = self.key.answered(draft)
        if answer:
            return answer.stands[0].task()
        task = _cancel(draft, self.id, self.message)
        self.key.remember(draft, Answer(stands=(Stand.of(task),)))
        return task


class Cancelled(NamedTuple):
    """What a batch did: each task or why not, and how many were cancelled by it.

    Of very many tasks, only the first ``SHOWN`` are among the results.
    """

    results: Sequence[Task | DomainError] = ()
    total: int = 0


SHOWN = 1000


@dataclass(frozen=True, slots=True)
class CancelBatch:
    """Cancel tasks, each on its own; RequestIdReusedError and NotPermittedError refuse them all.

    ``so_far`` is what earlier commits of the same request have done.
    """

    ids: Sequence[str]
    message: str = ""
    so_far: Cancelled = Cancelled()
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
            return _recall(answer)
        results = list(self.so_far.results)
        total = self.so_far.total
        for task_id in self.ids:
            try:
                done = draft.task(task_id).status is Status.CANCELLED
                results.append(_cancel(draft, task_id, self.message))
                total += not done
            except NotPermittedError:
                raise
            except DomainError as error:
                results.append(error)
        done_so_far = Cancelled(results[:SHOWN], total)
        self.key.remember(draft, _answer(draft, done_so_far))
        return done_so_far


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
        return _recall(answer) if answer else None


def _answer(draft: Draft, done: Cancelled) -> Answer:
    refused = [one.metadata["id"] for one in done.results if isinstance(one, DomainError)]
    return Answer(
        stands=tuple(Stand.of(task) for task in done.results if isinstance(task, Task)),
        refused={task_id: draft.status(task_id) for task_id in refused},
        total=done.total,
    )


def _recall(answer: Answer) -> Cancelled:
    """Return what was answered, though the tasks may have gone or come since."""
    results: list[Task | DomainError] = [stand.task() for stand in answer.stands]
    results += [
        refusal(task_id, status, Event.CANCEL.value) if status else TaskNotFoundError(task_id)
        for task_id, status in answer.refused.items()
    ]
    return Cancelled(results, answer.total)


def _cancel(draft: Draft, task_id: str, message: str) -> Task:
    task = draft.task(task_id)
    if task.status is Status.CANCELLED:
        return task
    return draft.move(task, Event.CANCEL, "client", Reason.CLIENT_REQUEST, message=message)
