"""How tasks, changes and queues lie in rows: the same in every database.

SQLite has no checksums of its pages, so every document and every body has its own (CRC-32): what is
not as it was written is damage, and never told as the truth.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar
from zlib import crc32

import msgspec

from idstatus_server.errors import (
    RevisionCompactedError,
    RevisionInFutureError,
    StoreDamagedError,
)
from idstatus_server.lifecycle import Status
from idstatus_server.model import Answer, Change, Kind, Mark, Queue, QueueState, Task
from idstatus_server.store.base import Bodies

# Rows of the log that one page of the past looks at, about: some milliseconds of a database's time.
LOOK_AT = 5000
_KINDS = frozenset(Kind)
_SEAL, _CRC = ',"crc":', 4

T = TypeVar("T")
_encoder = msgspec.json.Encoder()


def _reader(kind: type[T], name: str) -> Callable[[str], T]:
    """Return what reads JSON of a kind, or tells the damage by its name."""
    decode = msgspec.json.Decoder(kind).decode

    def read(text: str) -> T:
        try:
            return decode(text)
        except (msgspec.DecodeError, TypeError) as error:  # a torn row may have none at all
            begins = str(text)[:60]
            raise StoreDamagedError(f"{name} cannot be read ({error}): {begins!r}") from error

    return read


def _document_reader(kind: type[T], name: str) -> Callable[[str], T]:
    """Return what reads documents of a kind, or tells the damage by its name."""
    read = _reader(kind, name)

    def read_sealed(stored: str) -> T:
        begin, seal, crc = str(stored).rpartition(_SEAL)  # a torn row may have none at all
        text = begin + "}"
        if not seal or crc != f"{crc32(text.encode())}}}":
            raise StoreDamagedError(f"{name} is not as it was written: {str(stored)[:60]!r}")
        return read(text)

    return read_sealed


read_task = _document_reader(Task, "a task")
read_queue = _document_reader(Queue, "a queue")
read_answer = _document_reader(Answer, "the answer to a request")
_read_counts = _reader(dict[Status, int], "the counts of a queue")


def document(value: object) -> str:
    """Return a value as the JSON text that is stored; its last member is its checksum."""
    text = _encoder.encode(value)
    return f"{text[:-1].decode()}{_SEAL}{crc32(text)}}}"


def used_id_columns(task: Task) -> tuple[str, int, str, str]:
    """Return what is kept of a deleted task."""
    return task.id, task.seq, task.retried_by, task.queue


def body_columns(bodies: Mapping[int, bytes]) -> list[tuple[int, bytes]]:
    """Return the columns of payloads or results, given by ``seq``: each with its checksum."""
    return [(seq, data + crc32(data).to_bytes(_CRC)) for seq, data in bodies.items()]


def read_body(stored: bytes) -> bytes:
    """Return a payload or a result, empty if there is none."""
    data = stored[:-_CRC]
    if stored and stored[-_CRC:] != crc32(data).to_bytes(_CRC):
        raise StoreDamagedError(
            f"a payload or a result of {len(data)} bytes is not as it was written"
        )
    return data


def read_bodies(payload: bytes, result: bytes) -> Bodies:
    """Return what a row holds of both."""
    return Bodies(read_body(payload), read_body(result))


def read_change(row: tuple[Any, ...]) -> Change:
    """Return the change in a row: revision, unit, kind, before, after."""
    revision, unit, kind, before, after = row
    if kind not in _KINDS:
        raise StoreDamagedError(f"the change {revision} is of no known kind: {kind}")
    return Change(
        revision=revision,
        unit=unit,
        kind=Kind(kind),
        before=read_task(before) if before else None,
        task=read_task(after),
    )


def read_queue_state(row: Sequence[Any]) -> QueueState:
    """Return the queue in a row: its settings, its counts by status, the task queued first."""
    settings, counts, oldest = row
    return QueueState(
        queue=read_queue(settings),
        counts=_read_counts(counts),
        oldest_queued_time=read_task(oldest).transitions[-1].time if oldest else 0,
    )


def task_columns(task: Task) -> tuple[object, ...]:
    """Return the columns that change with a task, and last its ``seq``."""
    return (
        task.revision,
        task.status,
        task.queued_revision,
        task.wake_time,
        task.end_time or None,
        None if task.terminal else task.unique_key or None,
        document(task),
        task.seq,
    )


def new_task_columns(task: Task) -> tuple[object, ...]:
    """Return a task's columns: those that change, and those that never do."""
    root = task.root_id if task.retry_of else None
    return (*task_columns(task), task.id, task.queue, task.priority, root)


class Settled(NamedTuple):
    """The tasks that a commit writes, each once, as its last change left it."""

    old: Sequence[Task]
    gone: Sequence[Task]
    new: Sequence[Task]


def settle(changes: Sequence[Change], saved: Sequence[Task]) -> Settled:
    """Return the tasks to write.

    They are to be written in this order: a new task may take the unique key that an
    old one frees.
    """
    last = {change.task.seq: change for change in changes}
    created = {change.task.seq for change in changes if change.before is None}
    # A task may be saved before its last change, which then has it all, or after.
    later = {
        task.seq: task
        for task in saved
        if task.seq in last and task.revision >= last[task.seq].revision
    }
    kept = [
        later.get(change.task.seq, change.task)
        for change in last.values()
        if change.kind is not Kind.DELETED
    ]
    return Settled(
        old=[task for task in saved if task.seq not in last]
        + [task for task in kept if task.seq not in created],
        gone=[change.task for change in last.values() if change.kind is Kind.DELETED],
        new=[task for task in kept if task.seq in created],
    )


def change_columns(change: Change, time: int) -> tuple[object, ...]:
    """Return the columns of a log row."""
    return (
        change.revision,
        change.unit,
        change.kind,
        change.task.seq,
        time,
        document(change.before) if change.before else None,
        document(change.task),
    )


def count_changes(changes: Sequence[Change]) -> list[tuple[str, Status, int]]:
    """Return by how much the number of tasks of each queue and status has changed."""
    deltas: Counter[tuple[str, Status]] = Counter()
    for change in changes:
        if change.before:
            deltas[change.before.queue, change.before.status] -= 1
        if change.kind is not Kind.DELETED:
            deltas[change.task.queue, change.task.status] += 1
    return [(queue, status, delta) for (queue, status), delta in deltas.items() if delta]


def check_mark(mark: Mark, head: int, oldest: int, time: int | None) -> None:
    """Refuse a mark older than the log, or not of this history.

    ``time`` is that of the log's row at the mark. Revision 0 has none, nor has the oldest one if
    an earlier version has compacted the log.
    """
    if mark.revision < oldest:
        raise RevisionCompactedError(mark.revision, oldest)
    if mark.revision > head or time not in (None, mark.time):
        raise RevisionInFutureError(mark.revision, head)
