"""The log task by task: each change goes on from the last, and the machine allows it."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from idstatus_server.check.breach import Breach, batched, judge, rule, unreadable
from idstatus_server.check.states import name, same, successors
from idstatus_server.errors import StoreDamagedError
from idstatus_server.lifecycle import Execution
from idstatus_server.model import Change, Kind, Task
from idstatus_server.store.base import Snapshot
from idstatus_server.store.rows import read_change

_ROWS = """
SELECT revision, unit, kind, before, after, seq, time FROM log ORDER BY seq, revision"""
_DELETED = "SELECT revision, unit, kind, before, after FROM log WHERE kind = 4 ORDER BY revision"
_USED = "SELECT id, seq, retried_by, queue FROM used_ids WHERE id IN {ids}"
_OLDEST = "SELECT min(revision) FROM log"
_AT_ONCE = 500


class Entry(NamedTuple):
    """A change of a task, the row it lies in, and the task's change before it.

    ``last`` is None for the first one in the log, whose oldest revision is ``oldest``.
    """

    change: Change
    seq: int
    time: int
    last: Change | None
    oldest: int


def change_is_what_its_row_says(entry: Entry) -> Iterator[str]:
    """The columns repeat the document."""
    task = entry.change.task
    said = (task.revision, task.seq, task.update_time)
    if said != (entry.change.revision, entry.seq, entry.time):
        yield f"revision, seq and time are {said} in its document"


def log_tells_of_each_creation(entry: Entry) -> Iterator[str]:
    """The first change of a task is its creation, unless that was compacted."""
    created = entry.change.revision == entry.seq
    if created != (entry.change.before is None):
        yield "only the creation of a task comes from nothing"
    if entry.last is None and not created and entry.seq >= entry.oldest:
        yield f"its creation, {entry.seq}, is missing"


def change_goes_on_from_the_last(entry: Entry) -> Iterator[str]:
    """A change finds its task as the one before has left it."""
    if entry.last is None:
        return
    if entry.last.kind is Kind.DELETED:
        yield f"the task was deleted at {entry.last.revision}"
    elif not same(entry.change.before, entry.last.task):
        yield f"it does not find the task as {entry.last.revision} has left it"


def change_is_allowed(entry: Entry) -> Iterator[str]:
    """The machine allows the change."""
    before, after = entry.change.before, entry.change.task
    kind = entry.change.kind
    source = before.state if before else None
    allowed = {source}
    if kind is Kind.TRANSITION:
        allowed = set(successors(source))
    elif before and kind is Kind.UPDATE and after.late_report and before.terminal:
        allowed.add(before.state._replace(execution=Execution.ENDED))
    elif kind is Kind.DELETED and not (before and before.terminal):
        yield "the deleted task was not finished"
    if after.state not in allowed:
        yield f"from {name(source)} to {name(after.state)} by a change of kind {kind.name}"


ENTRY_RULES = (
    change_is_what_its_row_says,
    log_tells_of_each_creation,
    change_goes_on_from_the_last,
    change_is_allowed,
)


async def check_history(snapshot: Snapshot) -> AsyncIterator[Breach]:
    """Yield the breaches of each task's changes."""
    oldest = await oldest_revision(snapshot)
    last: tuple[int, Change | None] = (0, None)
    async for *columns, seq, time in snapshot.rows(_ROWS):
        where = f"revision {columns[0]}"
        if None in (seq, time):  # ``check_log`` tells
            continue
        try:
            change = read_change(tuple(columns))
        except StoreDamagedError as error:
            yield unreadable(where, error)
            continue
        before = last[1] if last[0] == seq else None
        entry = Entry(change, seq, time, before, oldest)
        for breach in judge(ENTRY_RULES, entry, f"{where}, task {change.task.id}"):
            yield breach
        last = (seq, change)


async def oldest_revision(snapshot: Snapshot) -> int:
    """Return the revision of the first row of the log; past all if it is empty."""
    ((oldest,),) = [row async for row in snapshot.rows(_OLDEST)]
    return oldest or 1 << 62


@rule
async def deleted_ids_stay_used(snapshot: Snapshot) -> AsyncIterator[tuple[str, str]]:
    """The id of a deleted task is kept, and the retry that it had."""
    async for rows in batched(snapshot.rows(_DELETED), _AT_ONCE):
        gone = [task for row in rows if (task := _deleted(row))]
        found = snapshot.rows(_USED, [task.id for task in gone])
        used = {row[0]: tuple(row[1:]) async for row in found} if gone else {}
        for task in gone:
            kept = task.seq, task.retried_by
            # Before it was written down, the queue was not known.
            if used.get(task.id) not in ((*kept, task.queue), (*kept, "")):
                what = f"deleted at {task.revision}, but used_ids says {used.get(task.id)}"
                yield f"task {task.id}", what


def _deleted(row: Sequence[Any]) -> Task | None:
    """Return the deleted task of a row; what cannot be read is told by ``check_history``."""
    with suppress(StoreDamagedError):
        return read_change(tuple(row)).task
    return None
