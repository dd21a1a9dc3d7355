"""The log in the order of its revisions: dense, in whole units, in time."""

from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

from idstatus_server.check.breach import Breach, judge, unreadable
from idstatus_server.errors import StoreDamagedError
from idstatus_server.store.base import Snapshot

_ROWS = "SELECT revision, unit, time FROM log ORDER BY revision"
_HEAD = "SELECT revision, compacted, time FROM head"


class Row(NamedTuple):
    """A row of the log."""

    revision: int
    unit: int
    time: int


class Step(NamedTuple):
    """Two rows of the log, one after the other."""

    last: Row
    next: Row


class Ends(NamedTuple):
    """What the head says of the log, and the first and last row that are there."""

    newest: int
    compacted: int
    time: int
    first: Row
    last: Row


def log_is_dense(step: Step) -> Iterator[str]:
    """No revision is left out."""
    if step.next.revision != step.last.revision + 1:
        yield f"the one before it is {step.last.revision}"


def units_are_whole(step: Step) -> Iterator[str]:
    """The changes of a unit lie side by side, up to its last revision."""
    within = step.last.unit > step.last.revision
    if step.next.unit < step.next.revision or (within and step.next.unit != step.last.unit):
        yield f"its unit ends at {step.next.unit}, that of the change before at {step.last.unit}"


def units_have_one_time(step: Step) -> Iterator[str]:
    """The changes of a unit were made at once."""
    if step.next.unit == step.last.unit and step.next.time != step.last.time:
        yield f"its time is {step.next.time}, that of its unit {step.last.time}"


def time_never_goes_back(step: Step) -> Iterator[str]:
    """No change is older than the one before."""
    if step.next.time < step.last.time:
        yield f"its time is {step.next.time}, before {step.last.time}"


def log_begins_where_it_was_compacted(ends: Ends) -> Iterator[str]:
    """The row of the oldest revision is kept; an earlier version did not keep it."""
    allowed = {ends.compacted, ends.compacted + 1} if ends.compacted else {1}
    if ends.first.revision not in allowed:
        yield f"it begins at {ends.first.revision}, and was compacted up to {ends.compacted}"


def log_ends_at_the_head(ends: Ends) -> Iterator[str]:
    """The newest revision is in the log, and ends its unit."""
    if ends.last.revision != ends.newest:
        yield f"it ends at {ends.last.revision}, the head is at {ends.newest}"
    if ends.last.unit != ends.last.revision:
        yield f"its last unit ends at {ends.last.unit}, and the log at {ends.last.revision}"


def head_is_no_older_than_the_log(ends: Ends) -> Iterator[str]:
    """The time of the last commit is at least that of the last change."""
    if ends.time < ends.last.time:
        yield f"the head's time is {ends.time}, the last change's {ends.last.time}"


STEP_RULES = (log_is_dense, units_are_whole, units_have_one_time, time_never_goes_back)
END_RULES = (
    log_begins_where_it_was_compacted,
    log_ends_at_the_head,
    head_is_no_older_than_the_log,
)


async def check_log(snapshot: Snapshot) -> AsyncIterator[Breach]:
    """Yield the breaches of the log as a whole."""
    heads = [row async for row in snapshot.rows(_HEAD)]
    if len(heads) != 1 or None in heads[0]:
        raise StoreDamagedError(f"the head is {heads}")
    first = last = None
    async for row in snapshot.rows(_ROWS):
        this = Row(*row)
        if None in this:
            yield unreadable(f"revision {this.revision}", StoreDamagedError("a column is empty"))
            continue
        if last:
            for breach in judge(STEP_RULES, Step(last, this), f"revision {this.revision}"):
                yield breach
        first = first or this
        last = this
    newest, compacted, time = heads[0]
    nothing = Row(0, 0, 0)
    ends = Ends(newest, compacted, time, first or nothing, last or nothing)
    if first or ends.newest != ends.compacted:  # else it is empty by right
        for breach in judge(END_RULES, ends, "log"):
            yield breach
