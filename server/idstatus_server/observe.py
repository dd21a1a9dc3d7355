"""The seam between those who work and those who count."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from idstatus_server.errors import DomainError
from idstatus_server.model import Change


class Use(NamedTuple):
    """How much of a limit is used."""

    now: int
    limit: int


class Observer:
    """Is told what happens, and takes no note of it. Who counts overrides, and returns at once."""

    def call_begun(self, method: str) -> None:
        """Hear of a call; ``method`` is ``package.Service/Method``."""

    def call_ended(self, method: str, status: str, seconds: float) -> None:
        """Hear how a call ended, by the name of its status code, and how long it took."""

    def refused(self, error: DomainError) -> None:
        """Hear why a call was refused."""

    def committed(self, commands: int, changes: Sequence[Change], seconds: float) -> None:
        """Hear of a commit of this process that is on disk, and how long it took.

        It may be without changes, as one that only extends leases.
        """

    def leases_extended(self, states: Iterable[str]) -> None:
        """Hear what became of leases that were to be extended, by the names of their states."""

    def store_failed(self, during: str, error: DomainError) -> None:
        """Hear that the store failed a ``commit``, a ``timer``, a ``survey`` or the ``log``'s tail.

        One error may be heard of several times, as by all whose commit has failed. That the store
        failed a call is heard by ``refused``.
        """


UNOBSERVED = Observer()
