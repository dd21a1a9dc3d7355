"""How tasks, changes and queues lie in rows."""

from typing import Any

import msgspec

from idstatus_server.model import Answer, Change, Kind, Queue, Task

_encoder = msgspec.json.Encoder()
read_task = msgspec.json.Decoder(Task).decode
read_queue = msgspec.json.Decoder(Queue).decode
read_answer = msgspec.json.Decoder(Answer).decode


def document(value: object) -> str:
    """Return a value as the JSON text that is stored."""
    return _encoder.encode(value).decode()


def read_change(row: tuple[Any, ...]) -> Change:
    """Return the change in a row: revision, unit, kind, before, after."""
    revision, unit, kind, before, after = row
    return Change(
        revision=revision,
        unit=unit,
        kind=Kind(kind),
        before=read_task(before) if before else None,
        task=read_task(after),
    )


def task_columns(task: Task, doc: str) -> tuple[object, ...]:
    """Return the columns that change with a task, and last its ``seq``."""
    return (
        task.revision,
        task.status,
        task.queued_revision,
        task.wake_time,
        task.end_time or None,
        None if task.terminal else task.unique_key or None,
        doc,
        task.seq,
    )


def new_task_columns(task: Task, doc: str) -> tuple[object, ...]:
    """Return a task's columns: those that change, and those that never do."""
    root = task.root_id if task.retry_of else None
    return (*task_columns(task, doc), task.id, task.queue, task.priority, root)
