"""A busy queue and its watchers, against bare streams that send the same bytes.

What makes the queue busy are batches of creations, which the server works on, too. So there are
two ratios: deliveries a second, with the writes in them, and deliveries a second of the server's
CPU, once what the same writes cost without a watcher has been taken off.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import floor
import servers
from contest import WARM_UP, Act, Contest, Meter, Sample, Setting
from unary import BATCH_CREATE, new_task
from wire import Wire

from idstatus.v1 import task_service_pb2 as t
from idstatus.v1.task_pb2 import TaskFilter

WATCH = "/idstatus.v1.TaskService/WatchTasks"
BATCH = 100
# Bursts under way: the next one is begun while the last is delivered.
_AHEAD = 2
_CONNECTIONS = 8
_KNOWN = 64


def watch_request(queue: str = "q") -> bytes:
    """Return the request to watch what happens in a queue from now on."""
    wanted = TaskFilter(queues=[queue])
    return t.WatchTasksRequest(filter=wanted, skip_snapshot=True).SerializeToString()


def batch(queue: str) -> bytes:
    """Return the request that creates many tasks."""
    return t.BatchCreateTasksRequest(requests=[new_task(queue)] * BATCH).SerializeToString()


class Audience:
    """Watchers, and how many changes they were told of; one of them is listened to closely."""

    def __init__(self, wire: Wire, path: str, request: bytes, watchers: int) -> None:
        self.wire = wire
        self.watchers = watchers
        self.delivered = 0
        self.heard: list[bytes] = []
        wire.open(
            watchers,
            lambda connection, i: connection.start(path, request, self._hear if i else self._note),
        )

    def changes(self, message: bytes) -> int:
        """Return how many changes a message tells of."""
        raise NotImplementedError

    def _hear(self, message: bytes) -> None:
        self.delivered += self.changes(message)

    def _note(self, message: bytes) -> None:
        self.heard.append(message)
        self._hear(message)

    def bursts(self, begin: Callable[[], object], meter: Meter, seconds: float) -> int:
        """Begin bursts for so long, each as soon as all have heard of one before; count them."""
        begun, delivered = 0, self.delivered
        size = BATCH * self.watchers
        ends = time.perf_counter() + seconds
        with meter:
            while time.perf_counter() < ends:
                while begun < (self.delivered - delivered) // size + _AHEAD:
                    begin()
                    begun += 1
                self.wire.flush()
                self.wire.turn(1.0)
            self.wire.until(lambda: self.delivered - delivered >= size * begun)
        assert self.delivered - delivered == size * begun, "more was told than has happened"
        return begun


class Watchers(Audience):
    """Those of our server. All are sent the same bytes, which need to be parsed only once."""

    def __init__(self, wire: Wire, watchers: int) -> None:
        self._sizes: dict[bytes, int] = {}
        super().__init__(wire, WATCH, watch_request(), watchers)

    def changes(self, message: bytes) -> int:
        """Parse what is new."""
        size = self._sizes.get(message)
        if size is None:
            if len(self._sizes) == _KNOWN:
                self._sizes.clear()
            size = self._sizes[message] = len(t.WatchTasksResponse.FromString(message).changes)
        return size

    def check(self) -> None:
        """Insist that one of them was told of all changes, in order: no others were made."""
        told = [c for m in self.heard for c in t.WatchTasksResponse.FromString(m).changes]
        revisions = [change.id_status.revision for change in told]
        assert revisions == list(range(revisions[0], revisions[0] + len(revisions)))
        self.heard.clear()


class Streams(Audience):
    """Those of the empty server; a message stands for a burst."""

    def __init__(self, wire: Wire, watchers: int) -> None:
        super().__init__(wire, floor.STREAM, b"", watchers)

    def changes(self, message: bytes) -> int:
        """Count a burst; the first message of a stream is none."""
        return BATCH if len(message) > floor.STAMP.size else 0


class Writer:
    """What begins bursts on the first connection, and what does the same where nobody watches."""

    def __init__(self, wire: Wire, path: str, burst: bytes, quiet: tuple[str, bytes]) -> None:
        self.quiet = quiet
        self.begin = lambda: wire.connections[0].start(path, burst)


class Telling(NamedTuple):
    """How many bursts there were; CPU seconds of one, and of these what telling of it took."""

    bursts: int
    meter: Meter
    whole: float
    telling: float


def telling(server: servers.Server, to: Audience, by: Writer, seconds: float) -> Telling:
    """Let bursts be delivered; then make some that nobody hears of, for what they cost alone."""
    meter, alone = Meter(server), Meter(server)
    bursts = to.bursts(by.begin, meter, seconds)
    path, request = by.quiet
    with alone, to.wire.flood(path, lambda: request, _AHEAD) as flood:
        to.wire.run(seconds / 2)
    whole = meter.server * meter.seconds / bursts
    return Telling(bursts, meter, whole, whole - alone.server * alone.seconds / flood.done)


def delivered(at: Setting, name: str, server: servers.Server, to: Audience, by: Writer) -> Sample:
    """Let bursts be delivered, and return how many deliveries there are in a second."""
    told = telling(server, to, by, at.seconds)
    deliveries = BATCH * to.watchers
    values = {name: deliveries * told.bursts / told.meter.seconds}
    if to.watchers > 1:  # with one, the difference is lost in the noise of the writes
        values[f"{name}-cpu"] = deliveries / told.telling
    return told.meter.sample(values)


def fan_out(watchers: int) -> Contest:
    """Return the contest with so many watchers."""

    @contextmanager
    def contest(at: Setting, name: str) -> Iterator[tuple[Act, Act]]:
        with (
            servers.idstatus(at.store(), at.server_cores) as ours,
            servers.floor(at.server_cores) as bare,
            Wire(ours.address, _CONNECTIONS) as to_ours,
            Wire(bare.address, _CONNECTIONS) as to_bare,
        ):
            told = Watchers(to_ours, watchers)
            writer = Writer(to_ours, BATCH_CREATE, batch("q"), (BATCH_CREATE, batch("quiet")))
            told.bursts(writer.begin, Meter(ours), WARM_UP)
            size = floor.SIZE.pack(statistics.median_low(map(len, told.heard)))
            sent = Streams(to_bare, watchers)
            burster = Writer(to_bare, floor.BURST, size, (floor.ANSWER, floor.SIZE.pack(1)))

            def ours_told() -> Sample:
                sample = delivered(at, name, ours, told, writer)
                told.check()
                return sample

            yield ours_told, lambda: delivered(at, name, bare, sent, burster)

    return contest
