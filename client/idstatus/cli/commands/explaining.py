"""`explain`."""

import typer

from idstatus.cli import options, output
from idstatus.cli.data import Format, say_data
from idstatus.cli.explanation import explain as lines
from idstatus.clients import Client


def explain(ctx: typer.Context, task_id: options.Id, how: options.Output = Format.TABLE) -> None:
    """Tell why a task does not run yet or ended so, and what may be done next."""
    client: Client = ctx.obj()
    told = client.explain(task_id)
    if how is not Format.TABLE:
        say_data(told, how)
        return
    for line in lines(told):
        output.say(line)
