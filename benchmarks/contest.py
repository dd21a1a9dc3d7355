"""What the contests of the benchmark share: two sides that take turns, and what they used."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Self

from database import Database
from servers import Server
from wire import Wire

WARM_UP = 0.3


class AbsentError(Exception):
    """What the other side needs is not installed."""


@dataclass(slots=True)
class Sample:
    """What one side did in a round: values by measure.

    Beside it, shares of a core: what the server and the load used, and what the server waited for.
    """

    values: dict[str, float]
    server: float | None = None
    load: float | None = None
    waiting: float | None = None
    about: dict[str, Any] = field(default_factory=dict)


Act = Callable[[], Sample]


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and how long it takes place."""

    server_cores: set[int]
    load_cores: set[int]
    seconds: float = 1.0
    full: bool = False
    database: Database | None = None

    def store(self) -> str:
        """Return the URL of a new store: in the database if there is one, or else on the disk."""
        if self.database:
            return self.database.new()[1]
        return f"sqlite:///{tempfile.mkdtemp(prefix='store-')}/idstatus.db"


Contest = Callable[[Setting, str], AbstractContextManager[tuple[Act, Act]]]
"""Starts, for the measure of a name, what two sides need: ours and the other."""


def on_postgres(contest: Contest) -> Contest:
    """Return the same contest, with our server on a PostgreSQL that is on the load's cores."""

    @contextmanager
    def there(at: Setting, name: str) -> Iterator[tuple[Act, Act]]:
        with (
            Database(cores=at.load_cores) as database,
            contest(replace(at, database=database), name) as acts,
        ):
            yield acts

    return there


class Meter:
    """Measures what happens within it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.seconds = self.server = self.load = self.waiting = 0.0

    def _now(self) -> tuple[float, float, float, float]:
        return time.perf_counter(), self._server.cpu, time.process_time(), self._server.waited

    def __enter__(self) -> Self:
        """Begin."""
        self._before = self._now()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        spent = [after - was for after, was in zip(self._now(), self._before, strict=True)]
        self.seconds = spent[0]
        self.server, self.load, self.waiting = (used / self.seconds for used in spent[1:])

    def sample(self, values: dict[str, float]) -> Sample:
        """Return a sample of what was measured within."""
        return Sample(values, self.server, self.load, self.waiting)


def rated(at: Setting, name: str, wire: Wire, server: Server, count: Callable[[], int]) -> Sample:
    """Return by how much a count rises in a second while the wire is run, once it is warm."""
    wire.run(WARM_UP)
    with Meter(server) as meter:
        before = count()
        wire.run(at.seconds)
        risen = count() - before
    return meter.sample({name: risen / meter.seconds})
