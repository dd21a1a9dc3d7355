"""Why a task stands where it stands, line by line."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from rich.text import Text

from idstatus.cli import words
from idstatus.cli.output import one_line, row, rows
from idstatus.models.enums import Execution, NextStep, Obstacle, Reason, Status
from idstatus.models.explanation import Explanation
from idstatus.models.task import Task

_REASONS = {
    Reason.TIMEOUT: "it took too long",
    Reason.KILLED: "it was ended by force",
    Reason.BAD_EXIT: "its work went wrong",
    Reason.CLIENT_REQUEST: "a client cancelled it",
}
# A blind retry is safe if the work was not done, or is done with.
_AGAIN = {
    Execution.NOT_STARTED: "safe: it was never handed to a runner",
    Execution.ENDED: "safe: its runner said that it has ended",
    Execution.MAY_BE_RUNNING: "not safe: its runner may still be at work",
}
_STEPS = {
    NextStep.WAIT: "idstatus wait {id}",
    NextStep.CANCEL: "idstatus cancel {id}",
    NextStep.RETRY: "idstatus retry {id}",
    NextStep.DELETE: "idstatus delete {id}",
}


def explain(told: Explanation) -> Iterator[Text]:
    """Yield the lines."""
    task = told.task
    yield row("id", task.id)
    yield row("status", words.state(task))
    yield row("queue", task.queue)
    yield from rows("why", _why(told))
    if task.status is Status.RUNNING:
        yield from rows("held", _held(task))
        yield row("progress", words.progress(task) or "none was told")
    if task.late_report:
        yield row("late report", words.outcome(task.late_report.outcome))
    if task.status is not Status.SUCCESS:
        yield row("run again", _AGAIN[task.execution])
    if len(told.chain) > 1:
        yield from rows("chain", _chain(told))
    yield from rows("next", (_STEPS[step].format(id=task.id) for step in told.next_steps))


def _why(told: Explanation) -> Iterator[str]:
    task = told.task
    match task.status:
        case Status.DELAYED | Status.QUEUED:
            for obstacle in told.obstacles:
                yield _OBSTACLES[obstacle](told)
            if not told.obstacles:
                waits = words.age(task.update_time)
                yield f"it is next, and has waited {waits} for a runner that claims from its queue"
        case Status.RUNNING:
            yield f"a runner claimed it {_ago(task.start_time)}"
        case Status.SUCCESS:
            yield f"its work ended well after {_run(task)} on {_runner(task)}"
        case _:
            yield _ending(task)


def _ahead(told: Explanation) -> str:
    more = "more than " if told.more_tasks_ahead else ""
    are = "task comes" if told.tasks_ahead == 1 else "tasks come"
    return f"{more}{told.tasks_ahead} {are} before it; {told.queue.counts.running} run"


def _due(told: Explanation) -> str:
    run_time = told.task.run_time
    if run_time is None:
        return "it is not due"
    left = words.span(run_time - datetime.now(UTC))
    return f"it is due {words.moment(run_time)}, in {left}"


_OBSTACLES = {
    Obstacle.NOT_DUE: _due,
    Obstacle.QUEUE_PAUSED: lambda told: (
        f"its queue is paused; idstatus queues resume {told.queue.name}"
    ),
    Obstacle.QUEUE_FULL: lambda told: (
        f"its queue is full: {told.queue.counts.running} run, at most {told.queue.max_running} may"
    ),
    Obstacle.TASKS_AHEAD: _ahead,
}


def _held(task: Task) -> Iterator[str]:
    yield f"by {_runner(task)}"
    if task.lease_expire_time:
        yield f"until {words.moment(task.lease_expire_time)}, when its lease ends unless extended"
    if task.start_time and task.timeout:
        yield f"at most until {words.moment(task.start_time + task.timeout)}, its timeout"


def _ending(task: Task) -> str:
    why = _REASONS[task.reason] if task.reason else "it is not known why"
    said = one_line(task.message.partition("\n")[0]) or words.ending(task)
    when = f", after {_run(task)} on {_runner(task)}" if task.start_time else ""
    return f"{why}{when}{f': {said}' if said else ''}"


def _chain(told: Explanation) -> Iterator[Text | str]:
    if told.more_in_chain:
        yield "earlier ones, then"
    for link in told.chain:
        here = ", this one" if link.id == told.task.id else ""
        state = words.state(link)
        state.pad_right(words.STATE_WIDTH - len(state))
        told_at = words.moment(link.update_time)
        yield Text.assemble((told_at, "dim"), "  ", state, "  ", link.id, here)


def _runner(task: Task) -> str:
    return one_line(task.runner) or "a runner without a name"


def _run(task: Task) -> str:
    if task.start_time is None or task.end_time is None:
        return words.span(timedelta())
    return words.span(task.end_time - task.start_time)


def _ago(instant: datetime | None) -> str:
    return f"{words.age(instant)} ago" if instant else ""
