"""`get`, `list` and `wait`."""

import itertools
import sys
import time
from datetime import timedelta
from typing import Annotated

import typer

from idstatus.cli import exits, options, output, words
from idstatus.cli.data import Format, say_data
from idstatus.cli.details import details
from idstatus.cli.waiting import wait_for
from idstatus.clients import Client
from idstatus.models.enums import ListOrder, TaskView

_LARGEST_PAGE = 1000


def get(
    ctx: typer.Context,
    *,
    task_id: options.Id,
    view: options.View = TaskView.FULL,
    result: Annotated[
        bool, typer.Option("--result", help="Print its result, nothing else, byte by byte.")
    ] = False,
    payload: Annotated[
        bool, typer.Option("--payload", help="Print its payload, nothing else, byte by byte.")
    ] = False,
    how: options.Output = Format.TABLE,
) -> None:
    """Show what became of a task, and all that is known of it."""
    client: Client = ctx.obj()
    if result or payload:
        task = client.get(task_id)
        sys.stdout.buffer.write(task.result if result else task.payload)
        return
    task = client.get(task_id, view=view)
    if how is not Format.TABLE:
        say_data(task, how)
        return
    for line in details(task):
        output.say(line)


def list_(
    ctx: typer.Context,
    *,
    queues: options.Queues = None,
    statuses: options.Statuses = None,
    labels: options.WithLabels = None,
    root: options.Root = "",
    newer_than: options.NewerThan = None,
    older_than: options.OlderThan = None,
    late_report: options.LateReport = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=0, metavar="N", help="How many; 0: all of them.")
    ] = 50,
    oldest_first: Annotated[
        bool, typer.Option("--oldest-first", help="In the order of creation, not against it.")
    ] = False,
    view: options.View = TaskView.BASIC,
    how: options.Output = Format.TABLE,
) -> None:
    """List tasks, the newest first."""
    client: Client = ctx.obj()
    wanted = options.task_filter(
        queues=queues,
        statuses=statuses,
        labels=labels,
        root=root,
        newer_than=newer_than,
        older_than=older_than,
        late_report=late_report,
    )
    found = client.list(
        wanted,
        order=ListOrder.OLDEST_FIRST if oldest_first else ListOrder.NEWEST_FIRST,
        view=view,
        page_size=min(limit or _LARGEST_PAGE, _LARGEST_PAGE),
    )
    tasks = itertools.islice(found, limit or None)
    if how is not Format.TABLE:
        for task in tasks:
            say_data(task, how)
        return
    listing = output.Listing("ID", "STATUS", "CHANGED", "QUEUE, AND WHAT HAPPENED")
    for task in tasks:
        changed = words.age(task.update_time)
        listing.add(task.id, words.state(task), changed, last=words.about(task))
    listing.show()


def wait(
    ctx: typer.Context,
    *,
    ids: options.Ids,
    limit: Annotated[
        timedelta | None,
        options.span_option("--for", help="How long to wait at most; by default for ever."),
    ] = None,
    follow_retries: options.FollowRetries = False,
    how: options.Output = Format.TABLE,
) -> None:
    """Wait until tasks have ended; the first that is no success decides the exit status."""
    client: Client = ctx.obj()
    end = None if limit is None else time.monotonic() + limit.total_seconds()
    status = 0
    for task_id in ids:
        left = None if end is None else timedelta(seconds=max(0.0, end - time.monotonic()))
        task = wait_for(client, task_id, limit=left, follow_retries=follow_retries)
        if how is not Format.TABLE:
            say_data(task, how)
        else:
            output.say(words.line(task))
        status = status or exits.of_task(task)
    raise typer.Exit(status)
