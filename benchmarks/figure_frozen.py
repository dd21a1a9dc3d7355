"""One watcher takes nothing any more, beside many that live, while their queue is busy.

It is frozen and thawed in turn, and must have missed nothing. In the end it stays frozen until the
server has ended its stream.
"""

import statistics
import time
from collections.abc import Iterator
from contextlib import closing

import servers
from fanout import BATCH, batch
from figure import Figure, Measure, Scale
from following import QUEUE, Crowd
from frozen import Freezer, Frozen
from lag import Commits, Pace
from unary import BATCH_CREATE
from wire import Wire

from idstatus.v1 import task_service_pb2 as t

_CONNECTIONS = 8
# The rate of creations, as a part of what the server can do for all who watch.
_SHARE = 0.25
# What is created once it is frozen is more than its windows and the system's buffers hold.
_LARGE = t.CreateTaskRequest(queue=QUEUE, payload=bytes(200 << 10))
_FILLING = 30
# Part of a round that goes by before it, so that what was frozen or thawed is over.
_SETTLING = 0.2
# For so long after it should have been ended we look whether it was, in seconds.
_LEEWAY = 3
# What the p99 of the others with it must be at most to theirs without; and the memory, in MiB.
_SAME, _BOUNDED = 1.10, 16.0
_MIB = 1 << 20


class Busy:
    """A queue in which tasks are created at a steady rate, and the many who watch it."""

    def __init__(self, wire: Wire, commits: Commits, watchers: int) -> None:
        self._wire = wire
        self._commits = commits
        self._pace = Pace(wire, commits)
        self._request = batch(QUEUE)
        self.crowd = Crowd(watchers)
        self.crowd.open(wire)
        self.newest = 0
        self.rate = 0.0

    def find_rate(self, seconds: float) -> None:
        """Create a batch whenever all know of the one before; from now on, a part of that rate."""
        before, start = self.newest, time.perf_counter()
        while time.perf_counter() < start + seconds:
            self._wire.ask(BATCH_CREATE, self._request)
            self.newest += BATCH
            self.crowd.until_told(self._wire, self.newest)
        batches = (self.newest - before) / BATCH
        self.rate = _SHARE * batches / (time.perf_counter() - start)

    def fill(self) -> None:
        """Create a few large tasks."""
        large = t.BatchCreateTasksRequest(requests=[_LARGE] * _FILLING)
        self._wire.ask(BATCH_CREATE, large.SerializeToString())
        self.newest += _FILLING
        self.crowd.until_told(self._wire, self.newest)

    def create(self, seconds: float) -> float:
        """Create; return the p99 of the time from commit to delivery, in ms."""
        self.crowd.heard.clear()
        begun = self._pace.keep(self.rate, seconds, lambda _: (BATCH_CREATE, self._request))
        self._commits.look()
        self.newest += begun * BATCH
        self.crowd.until_told(self._wire, self.newest)
        lags = sorted(heard - self._seen(revision) for heard, revision in self.crowd.heard)
        return lags[len(lags) * 99 // 100] / 1e6

    def _seen(self, revision: int) -> int:
        seen = self._commits.time(revision)
        assert seen is not None
        return seen


def in_turn(scale: Scale, busy: Busy, frozen: Frozen) -> tuple[list[float], list[float]]:
    """Return the p99 of rounds without a frozen watcher, and of rounds with it."""
    alone: list[float] = []
    beside: list[float] = []
    for number in range(scale.rounds):
        for freeze in (False, True) if number % 2 else (True, False):
            if freeze:
                frozen.freeze()
                busy.fill()
            busy.create(scale.seconds * _SETTLING)
            (beside if freeze else alone).append(busy.create(scale.seconds))
            if freeze:
                frozen.thaw(busy.newest)
    return alone, beside


def until_ended(scale: Scale, busy: Busy, frozen: Frozen, server: servers.Server) -> float:
    """Leave it frozen until the server must have ended it; return the growth of that in MiB."""
    before = server.memory
    frozen.freeze()
    busy.fill()
    most = before
    for _ in range(scale.slow + _LEEWAY):
        busy.create(1.0)
        most = max(most, server.memory)
    frozen.thaw(busy.newest)
    return (most - before) / _MIB


def beside(name: str, who: str, freezer: Freezer) -> Measure:
    """Return the measure of what a frozen watcher does to the others."""

    def measure(scale: Scale) -> Iterator[Figure]:
        store = scale.at.store()
        patience = ("--slow-watcher-timeout", f"{scale.slow}s")
        with (
            servers.idstatus(store, scale.at.server_cores, *patience) as server,
            freezer(scale.at, server.address) as frozen,
            Wire(server.address, _CONNECTIONS) as wire,
            closing(Commits(store)) as commits,
        ):
            busy = Busy(wire, commits, scale.live)
            busy.find_rate(scale.seconds)
            alone, beside = in_turn(scale, busy, frozen)
            grown = until_ended(scale, busy, frozen, server)
        faults = busy.crowd.faulty(busy.newest) + frozen.faults(busy.newest)
        ratio = statistics.median(b / a for a, b in zip(alone, beside, strict=True))
        live = f"commit to delivery at {scale.live:,} live watchers, p99"
        rate = f"{busy.rate:.1f} commits/s of {BATCH}"
        yield Figure(f"{name}-alone", f"{live}, {rate}", statistics.median(alone), "ms")
        yield Figure(f"{name}-beside", f"the same beside {who}", statistics.median(beside), "ms")
        yield Figure(name, "the one to the other, median of the rounds", ratio, "", _SAME)
        what = f"memory, until it is ended after {scale.slow} s"
        yield Figure(f"{name}-memory", what, grown, "MiB more", _BOUNDED)
        yield Figure(
            f"{name}-ended", "streams of it that the server has ended", frozen.interrupted, ""
        )
        what = "watchers, it among them, that missed a change or saw one twice"
        yield Figure(f"{name}-faulty", what, faults, "", 0)

    return measure
