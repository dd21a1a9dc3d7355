"""The file of contexts: servers by name, and how to reach each."""

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import yaml

from idstatus.cli.connection import Connection


class ContextError(Exception):
    """The file, or a name in it, cannot be used; the message says why in one line."""


def path() -> Path:
    """Return where the file is, as the XDG base directory specification says."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "idstatus" / "contexts.yaml"


@dataclass(slots=True)
class Contexts:
    """The contexts by name, and the one in use, "" if none is."""

    current: str = ""
    by_name: dict[str, Connection] = field(default_factory=dict)

    def get(self, name: str) -> Connection:
        """Return a context.

        Raises:
            ContextError: There is none.
        """
        if name not in self.by_name:
            known = ", ".join(self.by_name) or "none is set"
            raise ContextError(f"there is no context {name}: {known}")
        return self.by_name[name]

    @classmethod
    def load(cls) -> Self:
        """Read the file; without one there are no contexts.

        Raises:
            ContextError: It cannot be read, or others may read it.
        """
        try:
            with path().open() as file:
                if os.fstat(file.fileno()).st_mode & 0o077:
                    raise ContextError(f"others may read the tokens in it: chmod 600 {path()}")
                said = yaml.safe_load(file)
            contexts = said.get("contexts") or {}
            by_name = {str(name): _checked(Connection(**what)) for name, what in contexts.items()}
        except FileNotFoundError:
            return cls()
        except OSError as error:
            raise ContextError(f"cannot read {path()}: {error.strerror}") from error
        except (yaml.YAMLError, AttributeError, TypeError) as error:
            raise ContextError(f"cannot understand {path()}: {_first_line(error)}") from error
        return cls(str(said.get("current") or ""), by_name)

    def save(self) -> None:
        """Write the file, at once and for nobody else to read.

        Raises:
            ContextError: It cannot be written.
        """
        contexts = {name: _set_in(connection) for name, connection in self.by_name.items()}
        said = {"current": self.current, "contexts": contexts}
        try:
            path().parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _put(path().resolve(), yaml.safe_dump(said, sort_keys=False, allow_unicode=True))
        except OSError as error:
            raise ContextError(f"cannot write {path()}: {error.strerror}") from error


def _set_in(connection: Connection) -> dict[str, str | bool]:
    return {name: value for name, value in connection.said().items() if value is not None}


def _put(place: Path, text: str) -> None:
    """Put a text into a file at once; nothing of it is left elsewhere."""
    # A temporary file is its owner's alone, 0600.
    with tempfile.NamedTemporaryFile("w", dir=place.parent, delete=False) as file:
        try:
            file.write(text)
            file.flush()
            Path(file.name).replace(place)
        except OSError:
            Path(file.name).unlink()
            raise


def _checked(connection: Connection) -> Connection:
    """Return a connection if each part of it is of its kind; its values may be secret."""
    for name, value in connection.said().items():
        if value is not None and not isinstance(value, bool if name == "tls" else str):
            raise TypeError(f"{name} is neither a text nor, for tls, true or false")
    return connection


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def chosen(name: str | None, said: Connection) -> Connection:
    """Return how to reach the server: what was said, over the context that is named or in use.

    Raises:
        ContextError: The context cannot be used.
    """
    contexts = Contexts.load()
    name = name or contexts.current
    return said.over(contexts.get(name)) if name else said
