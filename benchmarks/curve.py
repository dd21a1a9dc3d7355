"""What the curves share: how they are described, and how one of their points is measured."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from contest import Meter, Setting
from frames import Connection
from lives import CLAIM, FINISH, accepted, reports
from servers import Server
from wire import Wire

from idstatus.v1 import runner_service_pb2 as r


@dataclass(frozen=True, slots=True)
class Curve:
    """How one figure goes with a size: the server's CPU for an operation, or what ``unit`` says.

    ``flat`` is the size from which on it must not grow; None if it may, and ``why`` tells why.
    """

    name: str
    what: str
    flat: int | None = 0
    why: str = ""
    unit: str = "µs"


class Reading(NamedTuple):
    """What a round told: the value of a curve, and how many operations a second there were."""

    value: float
    per_second: float | None = None


class Point(NamedTuple):
    """The rounds of a curve at a size."""

    curve: str
    size: int
    readings: Sequence[Reading]


@dataclass(frozen=True, slots=True)
class Scale:
    """Where it takes place, and how much of it; ``seconds`` is for what runs on and on."""

    at: Setting
    rounds: int
    calls: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Group:
    """Curves over the same sizes, which are measured together and drawn into one picture."""

    name: str
    over: str
    curves: Sequence[Curve]
    sizes: Sequence[int]
    measure: Callable[[Scale, Sequence[int]], Iterator[Point]]
    full: Sequence[int] = ()
    trial: int = 1
    summary: Callable[[Sequence[Point]], dict[str, float]] = lambda _: {}


Act = Callable[[], Reading]
Done = Callable[[], object]
Operation = Callable[[Connection, Done], object]
"""Begins something on a connection, and calls what it is given once that has ended."""


def points(scale: Scale, acts: Mapping[int, Mapping[str, Act]]) -> Iterator[Point]:
    """Let the acts of all sizes take turns, after a first time that does not count."""
    names = dict.fromkeys(name for some in acts.values() for name in some)
    turns = [(name, size) for name in names for size in acts]  # what is compared is done together
    rounds = [{(n, size): acts[size][n]() for n, size in turns} for _ in range(scale.rounds + 1)]
    for name, size in turns:
        yield Point(name, size, [told[name, size] for told in rounds[1:]])


def cost(server: Server, act: Callable[[], int]) -> Reading:
    """Do what returns how many operations it was; return what one of them cost the server."""
    with Meter(server) as meter:
        done = act()
    return Reading(meter.server * meter.seconds / done * 1e6, done / meter.seconds)


def repeat(wire: Wire, operation: Operation, count: int, callers: int) -> int:
    """Do something so many times, as so many callers who begin anew once they have ended."""
    begun = ended = 0

    def begin(connection: Connection) -> None:
        nonlocal begun
        if begun < count:
            begun += 1
            operation(connection, lambda: end(connection))

    def end(connection: Connection) -> None:
        nonlocal ended
        ended += 1
        begin(connection)

    for number in range(callers):
        begin(wire.connections[number % len(wire.connections)])
    wire.until(lambda: ended == count)
    return count


def call(path: str, request: Callable[[], bytes]) -> Operation:
    """Return the operation that is one call."""
    return lambda connection, done: connection.start(path, request(), on_end=done)


def claim_and_finish(claim: Callable[[], bytes]) -> Operation:
    """Return the operation that claims tasks, as a request says, and reports their success."""

    def operation(connection: Connection, done: Done) -> None:
        def finish(message: bytes) -> None:
            connection.start(FINISH, reports(message), finished, done)

        def finished(message: bytes) -> None:
            accepted(r.FinishTasksResponse.FromString(message))

        connection.start(CLAIM, claim(), finish)

    return operation
