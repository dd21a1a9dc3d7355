"""What is said of a task to people."""

import signal
from datetime import UTC, datetime, timedelta

from rich.text import Text

from idstatus.cli.output import one_line
from idstatus.models.change import Change
from idstatus.models.enums import ChangeType, Execution, Status
from idstatus.models.outcome import Failure, Outcome, Stopped, Success
from idstatus.models.queue import Queue
from idstatus.models.task import IdStatus, Task

STYLES = {
    Status.DELAYED: "magenta",
    Status.QUEUED: "cyan",
    Status.RUNNING: "yellow",
    Status.SUCCESS: "green",
    Status.ERROR: "bold red",
    Status.CANCELLED: "blue",
}

_ID_WIDTH = 36  # a UUID
STATE_WIDTH = len("error/bad_exit")
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def state(task: IdStatus) -> Text:
    """Return the status and, of an error, its reason: error/timeout."""
    words = f"{task.status}/{task.reason}" if task.status is Status.ERROR else str(task.status)
    return Text(words, STYLES[task.status])


def line(task: IdStatus, told: str = "") -> Text:
    """Return a line about a task; `told` stands in for its state."""
    words = Text(told, "dim") if told else state(task)
    words.pad_right(STATE_WIDTH - len(words))
    detail = about(task) if isinstance(task, Task) else doubt(task)
    at = Text(moment(task.update_time).split()[-1], "dim")
    line = Text("  ").join((at, words, Text(task.id.ljust(_ID_WIDTH)), Text(detail)))
    line.rstrip()
    return line


def change_line(change: Change) -> Text:
    """Return a line about a change."""
    task = change.task or change.id_status
    return line(task, "deleted" if change.type is ChangeType.DELETED else "")


def about(task: Task) -> str:
    """Return a task's queue and its story."""
    return ", ".join(filter(None, (task.queue, story(task))))


def story(task: Task) -> str:
    """Return what is worth knowing about a task beside its status, in a few words."""
    parts = [_present(task), doubt(task)]
    if task.retry_of:
        parts.append(f"retry {task.retry_number} of {task.root_id}")
    if task.retried_by:
        parts.append(f"retried by {task.retried_by}")
    if task.late_report and not isinstance(task.late_report.outcome, Stopped):
        parts.append(f"late report: {outcome(task.late_report.outcome)}")
    return ", ".join(filter(None, parts))


def doubt(task: IdStatus) -> str:
    """Return the warning that a task's work may go on although its status is terminal."""
    if task.is_terminal and task.execution is Execution.MAY_BE_RUNNING:
        return "its runner may still be at work"
    return ""


def _present(task: Task) -> str:
    match task.status:
        case Status.DELAYED if task.run_time:
            return f"due {moment(task.run_time)}"
        case Status.RUNNING if task.progress:
            return progress(task)
        case Status.RUNNING:
            return f"on {one_line(task.runner)}"
        case Status.ERROR | Status.CANCELLED:
            return one_line(task.message.partition("\n")[0]) or ending(task)
        case _:
            return ""


def progress(task: Task) -> str:
    """Return how far a task's work is, "" if its runner has not told."""
    if task.progress is None:
        return ""
    return f"{task.progress.fraction:.0%} {one_line(task.progress.message)}".rstrip()


def ending(failure: Failure | Task) -> str:
    """Return how the process ended: exit status 3, SIGKILL."""
    if failure.signal is not None:
        return signal_name(failure.signal)
    return "" if failure.exit_code is None else f"exit status {failure.exit_code}"


def signal_name(number: int) -> str:
    """Return a signal's name, as far as it has one."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def outcome(reported: Outcome) -> str:
    """Return what a runner reported, in a few words."""
    match reported:
        case Success():
            return "success"
        case Failure():
            return f"error/{reported.reason} {ending(reported)}".rstrip()
        case Stopped():
            return "stopped"


def settings(queue: Queue) -> str:
    """Return what is set of a queue, in a few words."""
    parts = (
        "paused" if queue.paused else "",
        f"at most {queue.max_running} running" if queue.max_running else "",
        f"kept for {span(queue.retention)}" if queue.retention else "",
    )
    return ", ".join(filter(None, parts))


def moment(instant: datetime) -> str:
    """Return an instant in local time."""
    return instant.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def age(instant: datetime) -> str:
    """Return how long ago an instant was."""
    return span(datetime.now(UTC) - instant)


def span(length: timedelta) -> str:
    """Return a length in its largest unit: 3d, 15m."""
    seconds = max(0.0, length.total_seconds())
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds // size:.0f}{unit}"
    return f"{seconds * 1000:.0f}ms"
