"""What the life of a task costs while there are more and more runners, each on a Run stream."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import servers
from contest import Meter
from curve import Curve, Group, Point, Reading, Scale, cost, points
from fanout import BATCH, batch
from frames import Call, Connection
from lives import accepted, successes
from unary import BATCH_CREATE, CREATE, new_task
from wire import Wire

from idstatus.v1 import runner_service_pb2 as r

_RUN = "/idstatus.v1.RunnerService/Run"
_CONNECTIONS = 10
_CAPACITY = 4
# Batches under way, so that the runners need not wait for the next.
_AHEAD = 2
# Each runner looks once in so many seconds.
_LOOKS_EVERY = 10
_LOOKS = f"each looks every {_LOOKS_EVERY} s whether another process has opened its queue"

CURVES = (
    Curve("life", f"a life: created with {BATCH - 1} others, delivered, reported; one queue"),
    Curve("alone", "a life by itself, of one runner; the others wait at queues of their own"),
    Curve("idle", "a second in which all of these wait", None, _LOOKS, "ms"),
)


class Runner:
    """Reports the success of whatever it is given, and tells how many reports were accepted."""

    def __init__(self, connection: Connection, queue: str, tell: Callable[[int], object]) -> None:
        wanted = r.Subscription(queues=[queue], capacity=_CAPACITY, runner="bench")
        first = r.RunRequest(subscription=wanted).SerializeToString()
        self._connection, self._tell = connection, tell
        self.call = connection.start(_RUN, first, self._hear, ends=False)

    def _hear(self, message: bytes) -> None:
        told = r.RunResponse.FromString(message)
        if told.HasField("claims"):
            finish = r.RunRequest(finish=successes(told.claims))
            self._connection.send(self.call, finish.SerializeToString())
        elif told.HasField("finish"):
            self._tell(accepted(told.finish))


class Crew:
    """Runners of one server: all of one queue, or each of its own; ``done`` counts their tasks."""

    def __init__(self, wire: Wire, server: servers.Server, *, shared: bool) -> None:
        self._wire, self._server, self._shared = wire, server, shared
        self._hired = self.done = 0

    def hire(self, count: int) -> None:
        """Let there be so many, all of them ready."""

        def begin(connection: Connection, number: int) -> Call:
            queue = "q" if self._shared else f"q{first + number}"
            return Runner(connection, queue, self._count).call

        first, self._hired = self._hired, count
        self._wire.open(count - first, begin)

    def _count(self, tasks: int) -> None:
        self.done += tasks

    def lives(self, tasks: int) -> Reading:
        """Let tasks live, in batches."""
        return self._cost(tasks, BATCH * _AHEAD, BATCH_CREATE, batch("q"), BATCH)

    def lives_alone(self, tasks: int) -> Reading:
        """Let tasks of the first runner's queue live, one after the other."""
        return self._cost(tasks, 1, CREATE, new_task("q0").SerializeToString(), 1)

    def idle(self, seconds: float) -> Reading:
        """Let all wait; return how many milliseconds of CPU that takes the server each second."""
        with Meter(self._server) as meter:
            self._wire.run(seconds)
        return Reading(meter.server * 1000)

    def _cost(self, tasks: int, ahead: int, path: str, request: bytes, size: int) -> Reading:
        """Let tasks live, with so many created ahead of those that are done."""
        connection, before = self._wire.connections[0], self.done

        def act() -> int:
            begun = done = 0
            while done < max(begun, tasks):
                while begun < min(done + ahead, tasks):
                    connection.start(path, request)
                    begun += size
                self._wire.flush()
                self._wire.turn(1.0)
                done = self.done - before
            return done

        return cost(self._server, act)


@contextmanager
def crew(scale: Scale, *, shared: bool) -> Iterator[Crew]:
    """Start a server for runners."""
    with (
        servers.idstatus(scale.at.store(), scale.at.server_cores) as server,
        Wire(server.address, _CONNECTIONS) as wire,
    ):
        yield Crew(wire, server, shared=shared)


def measure(scale: Scale, sizes: Sequence[int]) -> Iterator[Point]:
    """Hire more and more runners of one queue, then of a queue each."""
    with crew(scale, shared=True) as many:
        for size in sizes:
            many.hire(size)
            yield from points(scale, {size: {"life": lambda: many.lives(scale.calls)}})
    with crew(scale, shared=False) as many:
        for size in sizes:
            many.hire(size)
            yield from points(scale, {size: {"alone": lambda: many.lives_alone(scale.calls)}})
            yield Point("idle", size, [many.idle(_LOOKS_EVERY * scale.seconds)])


RUNNERS = Group("runners", "runners on Run", CURVES, (1, 10, 100, 1_000), measure)
