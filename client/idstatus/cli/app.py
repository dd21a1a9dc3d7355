"""The program: global options, commands, and what an error looks like."""

import logging
import os
import sys
from datetime import timedelta
from importlib.metadata import version
from typing import Annotated

import typer

from idstatus.cli import exits, output, server_options
from idstatus.cli.commands import (
    changing,
    contexts,
    creating,
    explaining,
    queues,
    reading,
    running,
    top,
    watching,
)
from idstatus.cli.connection import Connection
from idstatus.cli.contexts import ContextError, chosen
from idstatus.cli.options import span_option
from idstatus.clients import Client
from idstatus.errors import IdstatusError

app = typer.Typer(
    name="idstatus",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=exits.HELP,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"idstatus {version('idstatus')}")
        raise typer.Exit


@app.callback()
def connect(
    ctx: typer.Context,
    *,
    address: server_options.Address = None,
    tls: server_options.Tls = None,
    ca: server_options.Ca = None,
    cert: server_options.Cert = None,
    key: server_options.Key = None,
    token_file: server_options.TokenFile = None,
    context: server_options.Context = None,
    timeout: Annotated[
        timedelta | None,
        span_option("--timeout", help="How long a call may take; by default 10 s."),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """One trustworthy answer to: what became of task X?

    A SPAN is a number and a unit, such as 500ms, 30s, 15m, 24h or 7d;
    a number alone is in seconds.
    """
    # For example that a watch was interrupted and resumes.
    logging.basicConfig(format="idstatus: %(message)s", level=logging.WARNING)
    if ctx.invoked_subcommand == "context":  # it mends what else would stop it here
        return
    said = Connection.of(ctx, locals())  # the options above, by their names
    # What asks a command for help needs no token, no certificate and no context.
    ctx.obj = lambda: ctx.with_resource(_client(said, context, timeout))


def _client(said: Connection, context: str | None, timeout: timedelta | None) -> Client:
    try:
        return chosen(context, said).client(timeout)
    except ValueError as error:
        raise ContextError(str(error)) from error


app.command()(creating.create)
app.command("exec", context_settings=creating.EXEC_SETTINGS)(creating.exec_)
app.command()(reading.get)
app.command()(explaining.explain)
app.command("list")(reading.list_)
app.command()(reading.wait)
app.command()(watching.watch)
app.command()(top.top)
app.command()(changing.cancel)
app.command()(changing.retry)
app.command()(changing.delete)
app.add_typer(queues.app, name="queues")
app.command()(running.runner)
app.add_typer(contexts.app, name="context")


def run() -> None:
    """Run the program; whatever the server refuses is one line on stderr and an exit status."""
    try:
        app()
    except IdstatusError as error:
        output.complain(error)
        sys.exit(exits.of_error(error))
    except ContextError as error:
        output.complain(str(error))
        sys.exit(exits.USAGE)
    except UnicodeEncodeError as error:
        output.complain(f"this cannot be said in {error.encoding}: {error.object!a}")
        sys.exit(exits.USAGE)
    except OSError as error:
        output.complain(f"cannot print: {error.strerror}")
        # What is left in the buffer cannot be printed either, so the interpreter must not try.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(exits.FAILED)
