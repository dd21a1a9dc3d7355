"""The seam between those who work and those who count."""

from collections.abc import Sequence
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
        """Hear of a commit of this process that is on disk, and how long it took."""

    def store_failed(self, during: str, error: DomainError) -> None:
        """Hear that the store failed a ``commit``, the ``timer``, or who reads its ``log``.

        That it failed a call is heard by ``refused``.
        """


UNOBSERVED = Observer()
