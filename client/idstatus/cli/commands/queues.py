"""`queues`: the list, and what one can do to a queue."""

from collections.abc import Iterable
from typing import Annotated

import typer

from idstatus.cli import completion, options, output, parsing, words
from idstatus.cli.data import Format, say_data
from idstatus.clients import Client
from idstatus.models.enums import Status
from idstatus.models.queue import Queue

app = typer.Typer()

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The queue.", autocompletion=completion.queues)
]


@app.callback(invoke_without_command=True)
def queues(ctx: typer.Context, how: options.Output = Format.TABLE) -> None:
    """List the queues, or look after one: pause, resume, limit, keep."""
    if ctx.invoked_subcommand is not None:
        return
    client: Client = ctx.obj()
    _show(client.queues(), how=how)


@app.command()
def pause(ctx: typer.Context, name: Name, how: options.Output = Format.TABLE) -> None:
    """Hold a queue's tasks back; running ones go on."""
    client: Client = ctx.obj()
    _show([client.update_queue(name, paused=True)], how=how)


@app.command()
def resume(ctx: typer.Context, name: Name, how: options.Output = Format.TABLE) -> None:
    """Hand a paused queue's tasks out again."""
    client: Client = ctx.obj()
    _show([client.update_queue(name, paused=False)], how=how)


@app.command()
def limit(
    ctx: typer.Context,
    name: Name,
    max_running: Annotated[
        int, typer.Argument(metavar="N", min=0, max=2**31 - 1, help="0: without a limit.")
    ],
    how: options.Output = Format.TABLE,
) -> None:
    """Let at most N of a queue's tasks run at once."""
    client: Client = ctx.obj()
    _show([client.update_queue(name, max_running=max_running)], how=how)


@app.command()
def keep(
    ctx: typer.Context,
    name: Name,
    retention: Annotated[
        str, typer.Argument(metavar="SPAN|default", help="default: as long as the server says.")
    ],
    how: options.Output = Format.TABLE,
) -> None:
    """Keep a queue's ended tasks for so long."""
    client: Client = ctx.obj()
    if retention == "default":
        queue = client.update_queue(name, retention="default")
    else:
        queue = client.update_queue(name, retention=parsing.span(retention))
    _show([queue], how=how)


def _show(found: Iterable[Queue], *, how: Format) -> None:
    if how is not Format.TABLE:
        for queue in found:
            say_data(queue, how)
        return
    statuses = (status.upper() for status in Status)
    listing = output.Listing("QUEUE", *statuses, "OLDEST", "SETTINGS")
    for queue in found:
        counts = (str(getattr(queue.counts, status)) for status in Status)
        oldest = words.span(queue.oldest_queued_age) if queue.oldest_queued_age else ""
        listing.add(queue.name, *counts, oldest, last=words.settings(queue))
    listing.show()
