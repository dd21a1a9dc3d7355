"""How to reach a server: what was said of it, and the client that it makes."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, Self

from idstatus.channel import Token, tls_credentials
from idstatus.clients import DEFAULT_ADDRESS, DEFAULT_TIMEOUT, Client


class Sources(Protocol):
    """What knows where an option's value is from: the context of a command."""

    def get_parameter_source(self, name: str) -> object:
        """Return click's name for it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What is known of a server and of who we are; None where nothing was said."""

    address: str | None = None
    tls: bool | None = None
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    token: str | None = field(default=None, repr=False)
    token_file: str | None = None

    @classmethod
    def of(cls, ctx: Sources, options: Mapping[str, Any]) -> Self:
        """Return what the options by these names say, and the variable that may hold a token.

        Where an option names a context, no variable counts: it may be about another server.
        """
        named = _source(ctx, "context") == "COMMANDLINE"
        said = {
            one.name: options.get(one.name)
            for one in fields(cls)
            if not (named and _source(ctx, one.name) == "ENVIRONMENT")
        }
        return cls(**said | {"token": None if named else os.environ.get("IDSTATUS_TOKEN")})

    def over(self, context: Self) -> Self:
        """Return what was said here and, where nothing was, what the context says.

        A context is about one server. With another address nothing of it counts, so who we are is
        told to no other server.
        """
        return self.filled(context) if self.address in (None, context.address) else self

    def filled(self, other: Self) -> Self:
        """Return what was said here and, where nothing was, what was said there."""
        if self.token or self.token_file:  # one stands in for the other
            other = replace(other, token=None, token_file=None)
        said = {name: value for name, value in self.said().items() if value is not None}
        return replace(other, **said)

    def said(self) -> dict[str, Any]:
        """Return all of it by name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @property
    def speaks_tls(self) -> bool:
        """Whether TLS is wanted: a file for it says so, too."""
        return bool(self.ca or self.cert or self.key) if self.tls is None else self.tls

    def client(self, timeout: timedelta | None) -> Client:
        """Return a client; it connects with its first call.

        Raises:
            ValueError: A part of it cannot be used; the message says which.
        """
        credentials = None
        if self.speaks_tls:
            try:
                credentials = tls_credentials(ca=self.ca, certificate=self.cert, key=self.key)
            except OSError as error:
                raise ValueError(f"cannot read {error.filename}: {error.strerror}") from error
        return Client(
            self.address or DEFAULT_ADDRESS,
            timeout=timeout or DEFAULT_TIMEOUT,
            credentials=credentials,
            token=self._bearer(),
        )

    def _bearer(self) -> Token:
        if self.token_file is None:
            return (self.token or "").strip()
        try:
            return _TokenFile(Path(self.token_file))
        except OSError as error:
            raise ValueError(f"cannot read {error.filename}: {error.strerror}") from error


def _source(ctx: Sources, option: str) -> str:
    """Return where an option's value is from, as click names it."""
    return getattr(ctx.get_parameter_source(option), "name", "")


class _TokenFile:
    """Returns the token in a file; while that cannot be read, the one before."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._token = self._read()

    def __call__(self) -> str:
        with suppress(OSError, ValueError):
            self._token = self._read()
        return self._token

    def _read(self) -> str:
        token = self._path.read_bytes().decode("ascii", errors="replace").strip()
        if not (token.isascii() and token.isprintable()):
            raise ValueError(f"{self._path} holds no token: that is one line of ASCII")
        return token
