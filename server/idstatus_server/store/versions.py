"""The versions of a schema, and which are ours to use: the same for every database."""

from importlib import resources
from importlib.resources.abc import Traversable

from idstatus_server.errors import StartError


def steps(package: str) -> list[Traversable]:
    """Return the files of a package that lead from each version to the next."""
    folder = resources.files(package).joinpath("migrations")
    return sorted(folder.iterdir(), key=lambda step: step.name)


def check_known(version: int, newest: int) -> None:
    """Refuse a schema newer than the ``newest`` that we know.

    Raises:
        StartError: it is.
    """
    if version > newest:
        raise StartError(
            f"its schema version {version} is newer than {newest}, the newest that this server "
            "knows: start a newer idstatus-server"
        )


def check_current(version: int, newest: int) -> None:
    """Refuse a schema that is not the ``newest`` that we know.

    Raises:
        StartError: it is newer, or has to be migrated first.
    """
    check_known(version, newest)
    if version < newest:
        raise StartError(
            f"its schema version {version} is older than {newest}: run idstatus-server migrate"
        )
