"""Takes the runners' reports, in time and late."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from idstatus_server.engine.commands.retry import fail
from idstatus_server.engine.draft import Draft, refusal
from idstatus_server.errors import DomainError, LeaseNotHeldError, TaskFinishedError
from idstatus_server.lifecycle import Event, Execution, Status
from idstatus_server.model import LateReport, Outcome, Task
from idstatus_server.store.base import Needs


class Report(NamedTuple):
    """How a runner says that a task ended."""

    id: str
    token: str
    outcome: Outcome
    result: bytes = b""


@dataclass(frozen=True, slots=True)
class Finish:
    """Take reports, each on its own; the answer to each is the task or the refusal.

    TaskNotFoundError, TaskNotRunningError, LeaseNotHeldError, TaskNotFinishedError (a
    ``stopped`` for a task that runs), TaskFinishedError (a late or another report; the
    first late one is kept all the same).
    """

    reports: Sequence[Report]

    @property
    def weight(self) -> int:
        """How many tasks it touches."""
        return len(self.reports)

    def needs(self) -> Needs:
        """What must be loaded."""
        return Needs(ids=frozenset(report.id for report in self.reports))

    def decide(self, draft: Draft) -> list[Task | DomainError]:
        """Take each report."""
        return [_take(draft, report) for report in self.reports]


def _take(draft: Draft, report: Report) -> Task | DomainError:
    try:
        task = draft.task(report.id)
        if not task.lease_token:
            raise refusal(task.id, task.status, "finish")
        if not task.held_with(report.token):
            raise LeaseNotHeldError(task.id)
        if task.status is Status.RUNNING:
            return _finish(draft, task, report)
        if task.execution is Execution.MAY_BE_RUNNING:
            return _keep_late(draft, task, report)
        return _repeat(task, report)
    except DomainError as error:
        return error


def _finish(draft: Draft, task: Task, report: Report) -> Task:
    outcome = report.outcome
    actor = f"runner:{task.runner}"
    if outcome.status is Status.CANCELLED:
        raise refusal(task.id, task.status, "stopped")
    if outcome.status is Status.SUCCESS:
        draft.set_result(task, report.result)
        digest = _digest(report.result)
        return draft.move(task, Event.SUCCEED, actor, result_digest=digest)
    return fail(
        draft,
        task,
        Event.FAIL,
        actor,
        outcome.reason,
        message=outcome.message,
        exit_code=outcome.exit_code,
        signal=outcome.signal,
    )


def _keep_late(draft: Draft, task: Task, report: Report) -> Task:
    """Keep the first word of a runner whose task was cancelled or had expired."""
    late = LateReport(time=draft.now, outcome=report.outcome)
    if report.outcome.status is Status.SUCCESS:
        draft.set_result(task, report.result)
    task = draft.update(
        task,
        late_report=late,
        execution=Execution.ENDED,
        result_digest=_digest(report.result),
    )
    if report.outcome.status is Status.CANCELLED:
        return task
    raise _finished(task)


def _repeat(task: Task, report: Report) -> Task:
    """Answer a second report: the same as the first is fine, another is refused."""
    if task.late_report:
        known = task.late_report.outcome
    else:
        known = Outcome(
            status=task.status,
            reason=task.reason,
            message=task.message,
            exit_code=task.exit_code,
            signal=task.signal,
        )
    same = known == report.outcome and (
        known.status is not Status.SUCCESS or task.result_digest == _digest(report.result)
    )
    # A late report was refused, so its repeat is, too; unless it was "stopped".
    if same and (not task.late_report or known.status is Status.CANCELLED):
        return task
    raise _finished(task)


def _finished(task: Task) -> TaskFinishedError:
    said = f"task {task.id} ended as {task.status.name} before this report"
    return TaskFinishedError(said, id=task.id, status=task.status.name)


def _digest(result: bytes) -> str:
    return hashlib.blake2b(result, digest_size=16).hexdigest() if result else ""
