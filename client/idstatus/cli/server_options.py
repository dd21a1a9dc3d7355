"""Options that say where the server is, and who we are there.

Each comes twice: for every command, where a variable or a context may stand in for it, and to be
kept in a context.
"""

from typing import Annotated, Any

import typer

from idstatus.cli import completion

_SERVER = {
    "--address": ("TARGET", "Where the server listens."),
    "--ca": ("FILE", "The authorities by which to know the server, in PEM; implies --tls."),
    "--cert": ("FILE", "Our certificate, in PEM; implies --tls."),
    "--key": ("FILE", "The key of our certificate, in PEM; implies --tls."),
    "--token-file": ("FILE", "Holds our bearer token; read anew for each call."),
}


def _said(flag: str) -> Any:
    """Return an option that a variable may stand in for."""
    return _kept(flag, envvar=f"IDSTATUS_{flag[2:].upper().replace('-', '_')}")


def _kept(flag: str, envvar: str | None = None) -> Any:
    """Return an option of what is to be kept in a context, where no variable stands in for it."""
    metavar, text = _SERVER[flag]
    return typer.Option(flag, metavar=metavar, help=text, envvar=envvar)


_TLS = "Speak TLS; with gRPC's own authorities unless --ca names others."
Address = Annotated[str | None, _said("--address")]
Tls = Annotated[bool | None, typer.Option("--tls/--no-tls", help=_TLS, envvar="IDSTATUS_TLS")]
Ca = Annotated[str | None, _said("--ca")]
Cert = Annotated[str | None, _said("--cert")]
Key = Annotated[str | None, _said("--key")]
TokenFile = Annotated[str | None, _said("--token-file")]
Context = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        envvar="IDSTATUS_CONTEXT",
        help="Another context than the one in use.",
        autocompletion=completion.contexts,
    ),
]
KeptAddress = Annotated[str | None, _kept("--address")]
KeptTls = Annotated[bool | None, typer.Option("--tls/--no-tls", help=_TLS)]
KeptCa = Annotated[str | None, _kept("--ca")]
KeptCert = Annotated[str | None, _kept("--cert")]
KeptKey = Annotated[str | None, _kept("--key")]
KeptTokenFile = Annotated[str | None, _kept("--token-file")]
