"""From commit to delivery at a watcher, while the server does half of what it can.

A change is committed once another connection to the database sees it. So the load looks at the
database whenever it is not busy, some ten thousand times a second, and a watcher's lag is the
time from there to its message. The other side is the time from write to read of a bare stream
that sends as many messages of the same size, on a server that answers as many calls. Here the
load spins, so its CPU says nothing.
"""

import sqlite3
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import floor
import servers
from contest import Act, Meter, Sample, Setting
from fanout import WATCH, watch_request
from unary import CALLERS, CREATE, empty_call, new_task
from wire import Wire

from idstatus.v1 import task_service_pb2 as t

_SHARE = 0.5
_CONNECTIONS = 4


class Commits:
    """When the commits of a store were seen."""

    def __init__(self, store: str) -> None:
        path = store.removeprefix("sqlite:///")
        self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
        self._revisions = [0]
        self._times = [0]

    def look(self) -> None:
        """See whether there is a new one."""
        (revision,) = self._db.execute("SELECT revision FROM head").fetchone()
        if revision > self._revisions[-1]:
            self._revisions.append(revision)
            self._times.append(time.monotonic_ns())

    def time(self, revision: int) -> int | None:
        """Return when a revision was seen, in nanoseconds, if it was."""
        at = bisect_left(self._revisions, revision)
        return self._times[at] if at < len(self._times) else None

    def close(self) -> None:
        """Leave the store."""
        self._db.close()


class Pace:
    """Calls at a rate, whatever becomes of them, and a look at the database between them."""

    def __init__(self, wire: Wire, commits: Commits) -> None:
        self._wire = wire
        self._look = commits.look
        self.under_way = 0

    def keep(self, rate: float, seconds: float, begin: Callable[[int], tuple[str, bytes]]) -> int:
        """Begin so many calls a second, then wait for the last; return how many there were."""
        connections = self._wire.connections
        begun, start = 0, time.perf_counter()
        while (now := time.perf_counter() - start) < seconds or self.under_way:
            while begun < rate * min(now, seconds):
                path, request = begin(begun)
                connections[begun % len(connections)].start(path, request, on_end=self._end)
                begun += 1
                self.under_way += 1
            self._wire.flush()
            self._look()
            self._wire.turn(0)
        return begun

    def _end(self) -> None:
        self.under_way -= 1


def spread(name: str, lags: list[int], meter: Meter) -> Sample:
    """Return the percentiles of lags, which are in nanoseconds."""
    lags.sort()
    values = {"p50": lags[len(lags) // 2], "p99": lags[len(lags) * 99 // 100]}
    sample = meter.sample({f"{name}-{key}": lag / 1e6 for key, lag in values.items()})
    return replace(sample, load=None)


class Ours:
    """Our server: a watcher is told of creations."""

    def __init__(self, at: Setting, wire: Wire, server: servers.Server, commits: Commits) -> None:
        self._at, self._wire, self._server, self._commits = at, wire, server, commits
        self._heard: list[tuple[int, bytes]] = []
        self._request = new_task().SerializeToString()
        wire.connections[0].start(WATCH, watch_request(), self._hear)
        wire.until(lambda: bool(self._heard))
        self.size = self.creations_a_message = 0
        self.rate = self._full_rate() * _SHARE
        self.empty = empty_call(self._request, wire.ask(CREATE, self._request))

    def _hear(self, message: bytes) -> None:
        self._heard.append((time.monotonic_ns(), message))

    def _full_rate(self) -> float:
        with self._wire.flood(CREATE, lambda: self._request, CALLERS) as flood:
            start = time.perf_counter()
            self._wire.run(self._at.seconds)
            return flood.done / (time.perf_counter() - start)

    def act(self, name: str) -> Sample:
        """Create at half the rate."""
        self._heard.clear()
        pace = Pace(self._wire, self._commits)
        with Meter(self._server) as meter:
            calls = pace.keep(self.rate, self._at.seconds, lambda _: (CREATE, self._request))
        self.size = sum(len(message) for _, message in self._heard) // len(self._heard)
        self.creations_a_message = max(1, round(calls / len(self._heard)))
        return spread(name, list(self._lags()), meter)

    def _lags(self) -> Iterator[int]:
        for heard, message in self._heard:
            changes = t.WatchTasksResponse.FromString(message).changes
            seen = self._commits.time(changes[-1].id_status.revision) if changes else None
            if seen is not None:
                yield max(0, heard - seen)


class Bare:
    """The empty server: as many calls, and of them as many bursts as ours sent messages."""

    def __init__(self, at: Setting, wire: Wire, server: servers.Server, like: Ours) -> None:
        self._at, self._wire, self._server, self._like = at, wire, server, like
        self._lags: list[int] = []
        begun = wire.connections[0].start(floor.STREAM, b"", self._hear)
        wire.until(lambda: bool(begun.messages))

    def _hear(self, message: bytes) -> None:
        self._lags.append(time.monotonic_ns() - floor.STAMP.unpack_from(message)[0])

    def act(self, name: str, commits: Commits) -> Sample:
        """Call at the same rate."""
        self._lags.clear()
        burst = floor.BURST, floor.SIZE.pack(self._like.size)
        empty = floor.ANSWER, self._like.empty
        every = self._like.creations_a_message
        pace = Pace(self._wire, commits)
        with Meter(self._server) as meter:
            pace.keep(self._like.rate, self._at.seconds, lambda i: empty if i % every else burst)
        return spread(name, self._lags, meter)


@contextmanager
def lag(at: Setting, name: str) -> Iterator[tuple[Act, Act]]:
    """Watch while tasks are created one by one."""
    store = at.store()
    with (
        servers.idstatus(store, at.server_cores) as server,
        servers.floor(at.server_cores) as bare_server,
        Wire(server.address, _CONNECTIONS) as to_ours,
        Wire(bare_server.address, _CONNECTIONS) as to_bare,
        closing(Commits(store)) as commits,
    ):
        ours = Ours(at, to_ours, server, commits)
        ours.act(name)
        bare = Bare(at, to_bare, bare_server, ours)
        yield lambda: ours.act(name), lambda: bare.act(name, commits)
