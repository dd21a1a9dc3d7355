"""A bar for whoever waits at a terminal."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from idstatus.cli import exits, output, words
from idstatus.clients import Client
from idstatus.core.blocking import Stream
from idstatus.errors import IdstatusError
from idstatus.models.change import Change
from idstatus.models.enums import TaskView

_COLUMNS = (
    SpinnerColumn(),
    TimeElapsedColumn(),
    BarColumn(bar_width=20),
    TextColumn("{task.description}", markup=False),
)


@contextmanager
def shown(client: Client, task_id: str) -> Iterator[None]:
    """Show on stderr how far a task is; nothing if that is no terminal. In the end it is gone."""
    if not output.stderr.is_interactive:
        yield
        return
    changes = client.watch([task_id], view=TaskView.BASIC)
    with Progress(*_COLUMNS, console=output.stderr, transient=True) as bar, _ctrl_c_ends(bar):
        line = bar.add_task(f"waits for {task_id}", total=None)
        Thread(target=_follow, args=(changes, bar, line), daemon=True).start()
        try:
            yield
        finally:
            changes.close()


@contextmanager
def _ctrl_c_ends(bar: Progress) -> Iterator[None]:
    """Let Ctrl-C end the program at once, as elsewhere, but for the bar and the hidden cursor."""

    def end(*_: object) -> None:
        bar.stop()
        os._exit(exits.INTERRUPTED)

    before = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _follow(changes: Stream[Change], bar: Progress, line: TaskID) -> None:
    with suppress(IdstatusError, RuntimeError):  # whoever waits hears of it, too
        for change in changes:
            task = change.task
            if task is None:
                continue
            told = f"{words.state(task)}  {words.about(task)}"
            done = task.progress.fraction if task.progress else None
            total = None if done is None else 1.0
            bar.update(line, total=total, completed=done or 0.0, description=told)
