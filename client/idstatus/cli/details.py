"""All that is known of one task, line by line."""

import shlex
from collections.abc import Iterator
from datetime import datetime

from rich.text import Text

from idstatus.cli import words
from idstatus.cli.execution.command_line import CommandLine
from idstatus.cli.output import clean, one_line, row, rows
from idstatus.models.task import RetryPolicy, Task
from idstatus.models.wire import seconds

# A result may be as long as a novel: `get --result` prints all of it.
_MOST_LINES = 20


def details(task: Task) -> Iterator[Text]:
    """Yield the lines; what is unset has none."""
    yield row("id", task.id)
    yield row("status", words.state(task))
    yield row("execution", str(task.execution).replace("_", " "))
    for label, value in _facts(task):
        if value:
            yield row(label, value)
    for transition in task.transitions:
        what = f"{transition.to_status}{f'/{transition.reason}' if transition.reason else ''}"
        yield row("history", f"{words.moment(transition.time)}  {what} by {transition.actor}")
    yield from _block("message", task.message)
    yield from _block("result", task.result.decode(errors="replace"))


def _facts(task: Task) -> Iterator[tuple[str, str]]:
    yield "queue", task.queue
    yield "priority", str(task.priority or "")
    yield "command", _command(task)
    yield "payload", "" if _command(task) else _bytes(task.payload)
    yield "type", one_line(task.content_type)
    yield "labels", one_line(", ".join(f"{k}={v}" for k, v in sorted(task.labels.items())))
    yield "unique key", one_line(task.unique_key)
    yield "timeout", f"{seconds(task.timeout):g} s" if task.timeout else ""
    yield "retries", _retries(task.retry_policy, task.retries_left)
    yield "created", _moment(task.create_time)
    yield "due", _moment(task.run_time)
    yield "started", _moment(task.start_time)
    yield "ended", _moment(task.end_time)
    yield "runner", one_line(task.runner)
    yield "progress", words.progress(task)
    yield "ending", words.ending(task)
    yield "retry of", task.retry_of
    yield "retried by", task.retried_by
    if task.late_report:
        told = words.outcome(task.late_report.outcome)
        yield "late report", f"{told}, {words.moment(task.late_report.time)}"


def _block(label: str, text: str) -> Iterator[Text]:
    lines = clean(text).splitlines()
    yield from rows(label, lines[:_MOST_LINES])
    if len(lines) > _MOST_LINES:
        yield row("", f"and {len(lines) - _MOST_LINES} lines more")


def _command(task: Task) -> str:
    try:
        return one_line(shlex.join(CommandLine.decode(task.content_type, task.payload).argv))
    except ValueError:
        return ""


def _bytes(payload: bytes) -> str:
    text = one_line(payload.decode(errors="replace"))
    return text if len(text) <= 200 else f"{text[:200]}, {len(payload)} bytes in all"


def _retries(policy: RetryPolicy | None, left: int) -> str:
    if policy is None or not policy.max_retries:
        return ""
    return f"{left} of {policy.max_retries} left"


def _moment(instant: datetime | None) -> str:
    return words.moment(instant) if instant else ""
