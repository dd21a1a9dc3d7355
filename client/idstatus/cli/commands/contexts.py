"""`context`: servers by name."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from idstatus.cli import completion, options, output, server_options
from idstatus.cli.connection import Connection
from idstatus.cli.contexts import ContextError, Contexts, path
from idstatus.cli.data import Format, say_data
from idstatus.clients import DEFAULT_ADDRESS

app = typer.Typer(no_args_is_help=True)


Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The context.", autocompletion=completion.contexts)
]


@app.callback()
def contexts() -> None:
    """Keep servers under names: where each is, and who you are there."""


@app.command("list")
def list_(how: options.Output = Format.TABLE) -> None:
    """List the contexts; * is the one in use."""
    found = Contexts.load()
    if how is not Format.TABLE:
        for name in found.by_name:
            say_data(_told(found, name), how)
        return
    listing = output.Listing("", "NAME", "ADDRESS", "HOW")
    for name, connection in found.by_name.items():
        used = "*" if name == found.current else ""
        listing.add(used, name, connection.address or DEFAULT_ADDRESS, last=_how(connection))
    listing.show()


@app.command()
def use(name: Name) -> None:
    """Use a context from now on."""
    found = Contexts.load()
    found.get(name)
    found.current = name
    found.save()
    output.say(f"uses {name}")


@app.command("set")
def set_(
    name: Name,
    *,
    address: server_options.KeptAddress = None,
    tls: server_options.KeptTls = None,
    ca: server_options.KeptCa = None,
    cert: server_options.KeptCert = None,
    key: server_options.KeptKey = None,
    token_file: server_options.KeptTokenFile = None,
    token: Annotated[
        bool, typer.Option("--token", help="Ask for a bearer token, or read it from a pipe.")
    ] = False,
) -> None:
    """Make a context, or change what is named of it. The first one is in use at once.

    A token is kept in the file, which only you may read, and is never shown.
    """
    said = Connection(
        address=address,
        tls=tls,
        ca=_absolute(ca),
        cert=_absolute(cert),
        key=_absolute(key),
        token_file=_absolute(token_file),
        token=_ask_for_token() if token else None,
    )
    found = Contexts.load()
    found.by_name[name] = said.filled(found.by_name.get(name, said))
    found.current = found.current or name
    found.save()
    output.say(f"{name} is kept in {path()}")


@app.command()
def delete(name: Name) -> None:
    """Forget a context, and the token in it."""
    found = Contexts.load()
    found.get(name)
    del found.by_name[name]
    found.current = "" if found.current == name else found.current
    found.save()
    output.say(f"deleted {name}")


@app.command()
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="By default the one in use.",
            autocompletion=completion.contexts,
        ),
    ] = "",
    how: options.Output = Format.TABLE,
) -> None:
    """Show a context, all but its token."""
    found = Contexts.load()
    name = name or found.current
    if not name:
        raise ContextError("no context is in use")
    told = _told(found, name)
    if how is not Format.TABLE:
        say_data(told, how)
        return
    for label, value in told.items():
        output.say(output.row(label.replace("_", " "), _word(value)))


def _told(found: Contexts, name: str) -> dict[str, Any]:
    connection = found.get(name)
    told = connection.said() | {"token": "kept, not shown" if connection.token else None}
    used = {"name": name, "in_use": name == found.current}
    return used | {label: value for label, value in told.items() if value is not None}


def _word(value: str | bool) -> str:
    return value if isinstance(value, str) else ("yes" if value else "no")


def _how(connection: Connection) -> str:
    parts = (
        "TLS" if connection.speaks_tls else "",
        "a certificate" if connection.cert else "",
        "a token" if connection.token or connection.token_file else "",
    )
    return ", ".join(filter(None, parts))


def _absolute(file: str | None) -> str | None:
    return None if file is None else str(Path(file).absolute())


def _ask_for_token() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Token", hide_input=True))
    token = sys.stdin.readline().strip()
    if not token:
        raise typer.BadParameter("no token came from the pipe", param_hint="--token")
    return token
