"""What the screen shows: three panes, and what was selected in one of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from idstatus.cli import words
from idstatus.cli.output import cut, one_line
from idstatus.cli.top.board import Frame
from idstatus.models.enums import Status
from idstatus.models.queue import Queue
from idstatus.models.task import Task

# Lines that are not the panes' rows: two above, two below, and of each pane a space and a heading.
_OTHER_LINES = 10


class Pane(Enum):
    """The parts of the screen, from top to bottom."""

    QUEUES = "queues"
    RUNNING = "running"
    FAILURES = "failures"


@dataclass
class Cursor:
    """What is selected: in each pane the row with this key, and the pane that the keys go to."""

    pane: Pane = Pane.RUNNING
    keys: dict[Pane, str] = field(default_factory=dict)

    def next_pane(self) -> None:
        """Go to the next pane, after the last one to the first."""
        panes = list(Pane)
        self.pane = panes[(panes.index(self.pane) + 1) % len(panes)]

    def move(self, frame: Frame, by: int) -> None:
        """Go up or down within the pane."""
        keys = keys_of(frame, self.pane)
        if keys:
            at = min(max(0, self.row(keys) + by), len(keys) - 1)
            self.keys[self.pane] = keys[at]

    def row(self, keys: Sequence[str]) -> int:
        """Return the number of the row that is selected; the first if that is gone."""
        key = self.keys.get(self.pane, "")
        return keys.index(key) if key in keys else 0

    def selected(self, frame: Frame) -> str:
        """Return the task or queue that is selected, "" if there is none."""
        keys = keys_of(frame, self.pane)
        return keys[self.row(keys)] if keys else ""


def keys_of(frame: Frame, pane: Pane) -> list[str]:
    """Return what a pane's rows are about."""
    match pane:
        case Pane.QUEUES:
            return [queue.name for queue in frame.queues]
        case Pane.RUNNING:
            return [task.id for task in frame.running]
        case Pane.FAILURES:
            return [task.id for task in frame.failures]


def panes(frame: Frame, heights: Mapping[Pane, int], cursor: Cursor | None = None) -> Group:
    """Return the three panes, each with as many rows as it may have."""
    parts: list[RenderableType] = []
    for pane, (columns, cells) in _PANES.items():
        rows: Sequence[Any] = getattr(frame, pane.value)
        active = cursor is not None and cursor.pane is pane
        at = cursor.row(keys_of(frame, pane)) if cursor and active else -1
        first = max(0, at + 1 - heights[pane])
        title = f"{pane.value.upper()} ({len(rows)})"
        # What is printed once has no width to fill.
        table = _table([title, *columns], active=active, expand=cursor is not None)
        for number, row in enumerate(rows[first : first + heights[pane]], first):
            table.add_row(*cells(row), style="reverse" if number == at else "")
        parts += [table, ""]
    return Group(*parts)


def heights(frame: Frame, lines: int) -> dict[Pane, int]:
    """Share the lines of the screen out: a third each at most for queues and failures."""
    room = max(3, lines - _OTHER_LINES)
    queues = min(len(frame.queues), room // 3)
    failures = min(len(frame.failures), room // 3)
    left = max(1, room - queues - failures)
    return {Pane.QUEUES: queues, Pane.RUNNING: left, Pane.FAILURES: failures}


def heading(frame: Frame, now: datetime, where: str, created: float, finished: float) -> Text:
    """Return the line on top."""
    waits = sum(queue.counts.queued for queue in frame.queues)
    runs = sum(queue.counts.running for queue in frame.queues)
    return Text.assemble(
        ("idstatus", "bold"),
        f"  {where}  {words.moment(now)}  ",
        (f"{waits} queued", words.STYLES[Status.QUEUED]),
        "  ",
        (f"{runs} running", words.STYLES[Status.RUNNING]),
        f"  {created:.1f} created/s  {finished:.1f} ended/s",
        no_wrap=True,
        overflow="ellipsis",
    )


def _table(columns: Sequence[str], *, active: bool, expand: bool) -> Table:
    style = "bold cyan" if active else "bold"
    table = Table(box=None, pad_edge=False, header_style=style, expand=expand)
    for column in columns[:-1]:
        table.add_column(column, no_wrap=True)
    table.add_column(cut(columns[-1]), ratio=1 if expand else None)
    return table


def _queue(queue: Queue) -> Sequence[RenderableType]:
    counts = [
        Text(str(count), words.STYLES[status] if count else "dim")
        for status in Status
        for count in [getattr(queue.counts, status)]
    ]
    oldest = words.span(queue.oldest_queued_age) if queue.oldest_queued_age else ""
    return [queue.name, *counts, oldest, cut(words.settings(queue))]


def _running(task: Task) -> Sequence[RenderableType]:
    done = task.progress.fraction if task.progress else None
    bar = "" if done is None else ProgressBar(total=1.0, completed=done, width=10)
    told = words.progress(task)
    return [task.id, task.queue, _since(task.start_time), one_line(task.runner), bar, cut(told)]


def _failure(task: Task) -> Sequence[RenderableType]:
    return [task.id, task.queue, _since(task.end_time), words.state(task), cut(words.story(task))]


def _since(instant: datetime | None) -> str:
    return words.age(instant) if instant else ""


_PANES: Mapping[Pane, tuple[Sequence[str], Callable[[Any], Sequence[RenderableType]]]] = {
    Pane.QUEUES: ([*(status.upper() for status in Status), "OLDEST", "SETTINGS"], _queue),
    Pane.RUNNING: (["QUEUE", "FOR", "RUNNER", "DONE", ""], _running),
    Pane.FAILURES: (["QUEUE", "AGO", "WHY", "WHAT HAPPENED"], _failure),
}
