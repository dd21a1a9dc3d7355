"""`watch`."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from idstatus.cli import options, output, words
from idstatus.cli.data import Format, plain, say_data
from idstatus.clients import Client
from idstatus.models.change import ChangeBatch
from idstatus.models.enums import TaskView


def watch(
    ctx: typer.Context,
    *,
    ids: options.SomeIds = None,
    queues: options.Queues = None,
    statuses: options.Statuses = None,
    labels: options.WithLabels = None,
    root: options.Root = "",
    newer_than: options.NewerThan = None,
    older_than: options.OlderThan = None,
    late_report: options.LateReport = None,
    follow_retries: options.FollowRetries = False,
    snapshot: Annotated[
        bool, typer.Option("--snapshot/--no-snapshot", help="Begin with how things are.")
    ] = True,
    resume: Annotated[
        str, typer.Option(metavar="TOKEN", help="Go on after the line that had this resume_token.")
    ] = "",
    view: options.View = TaskView.BASIC,
    how: options.Output = Format.TABLE,
) -> None:
    """Watch tasks live, nothing missing and nothing twice, also over the server's restarts.

    With ids it ends once all of them have ended; with a filter, or for all tasks, it goes on
    until Ctrl-C. With -o json or yaml, what has a resume_token can be resumed from.
    """
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
    batches = client.watch_batches(
        ids or (),
        task_filter=wanted,
        resume_token=resume,
        skip_snapshot=not snapshot,
        view=view,
        follow_retries=follow_retries,
    )
    with batches:
        for batch in batches:
            if how is not Format.TABLE:
                for line in _objects(batch):
                    say_data(line, how)
            else:
                for change in batch.changes:
                    output.say(words.change_line(change))


def _objects(batch: ChangeBatch) -> Iterator[dict[str, Any]]:
    """Yield a batch's changes; the last one has the token, for only there it is handled whole."""
    lines = [plain(change) for change in batch.changes] or [{"type": "bookmark"}]
    lines[-1]["resume_token"] = batch.resume_token
    if batch.snapshot_complete:
        lines[-1]["snapshot_complete"] = True
    yield from lines
