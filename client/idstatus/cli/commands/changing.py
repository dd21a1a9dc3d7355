"""`cancel`, `retry` and `delete`."""

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from idstatus.cli import exits, options, output, words
from idstatus.cli.commands.creating import show_created
from idstatus.cli.data import Format, say_data
from idstatus.clients import Client
from idstatus.errors import FailedPreconditionError, NotFoundError
from idstatus.methods.producing import CancelResult


def cancel(
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
    message: Annotated[
        str, typer.Option("--message", "-m", metavar="TEXT", help="Why; kept with each task.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count what would be cancelled.")
    ] = False,
    how: options.Output = Format.TABLE,
) -> None:
    """Cancel tasks, by their ids or all that match a filter; at once, also while they run."""
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
    if bool(ids) == bool(wanted):
        raise typer.BadParameter("name tasks by their ids or by a filter, such as --queue")
    result = client.cancel_batch(
        ids or (), task_filter=wanted, message=message, validate_only=dry_run
    )
    _show_cancelled(result, dry_run=dry_run, how=how)
    for error in result.errors.values():
        raise typer.Exit(exits.of_error(error))


def _show_cancelled(result: CancelResult, *, dry_run: bool, how: Format) -> None:
    if how is not Format.TABLE:
        say_data({"count": result.count, "id_statuses": result.id_statuses}, how)
    elif dry_run:
        output.say(f"would cancel {result.count}")
    else:
        for task in result.id_statuses:
            output.say(words.line(task))
        output.say(f"cancelled {result.count}")
    for error in result.errors.values():
        output.complain(error)


def retry(
    ctx: typer.Context,
    *,
    ids: options.Ids,
    delay: options.Delay = None,
    how: options.Output = Format.TABLE,
) -> None:
    """Do the work of ended tasks again, as new tasks; print their ids."""
    client: Client = ctx.obj()

    def retry_one(task_id: str) -> None:
        show_created(client.retry(task_id, delay=delay), how=how)

    _each(ids, retry_one)


def delete(ctx: typer.Context, ids: options.Ids, how: options.Output = Format.TABLE) -> None:
    """Delete ended tasks. Their ids stay used."""
    client: Client = ctx.obj()

    def delete_one(task_id: str) -> None:
        client.delete(task_id)
        if how is not Format.TABLE:
            say_data({"id": task_id, "deleted": True}, how)
        else:
            output.say(f"deleted {task_id}")

    _each(ids, delete_one)


def _each(ids: Sequence[str], action: Callable[[str], None]) -> None:
    """Do it to each; one that is refused does not keep the rest from it."""
    status = 0
    for task_id in ids:
        try:
            action(task_id)
        except (NotFoundError, FailedPreconditionError) as error:
            output.complain(error)
            status = status or exits.of_error(error)
    raise typer.Exit(status)
