"""Many watchers to whom nothing happens: what each takes, and who else notices them."""

import itertools
import statistics
import time
from collections.abc import Iterator

import servers
from contest import Meter
from fanout import WATCH
from figure import Figure, Scale
from idle import grown
from unary import GET, create_many
from wire import Wire

from idstatus.v1 import task_service_pb2 as t

_CONNECTIONS = 10
# One and a half times what a bare stream of grpc.aio takes; `make bench` measures that.
_MEMORY = 33.0
# So that each watcher is sent two bookmarks.
_BOOKMARKS = 2
_INTERVAL = 15.0


def latencies(wire: Wire, request: bytes, seconds: float) -> list[float]:
    """Ask for a task again and again; return how long each call took, in ms, sorted."""
    took = []
    ends = time.perf_counter() + seconds
    while (start := time.perf_counter()) < ends:
        wire.ask(GET, request)
        took.append((time.perf_counter() - start) * 1000)
    return sorted(took)


def idle(scale: Scale) -> Iterator[Figure]:
    """Watch a task each; ask for one beside them."""
    count = scale.watchers
    seconds = min(scale.seconds / 5, 1.0) * _INTERVAL * _BOOKMARKS
    with (
        servers.idstatus(scale.at.store(), scale.at.server_cores) as server,
        Wire(server.address, _CONNECTIONS) as wire,
        Wire(server.address) as caller,
    ):
        ids = itertools.cycle(create_many(wire, count))
        get = t.GetIdStatusRequest(id=next(ids)).SerializeToString()
        alone = latencies(caller, get, scale.seconds)
        each = grown(
            wire,
            server,
            WATCH,
            lambda: t.WatchTasksRequest(ids=[next(ids)]).SerializeToString(),
            count,
        )
        with Meter(server) as meter:
            wire.run(seconds)
        beside = latencies(caller, get, seconds)
    yield Figure("idle-memory", f"memory of one of {count:,} idle watchers", each, "KiB", _MEMORY)
    yield Figure("idle-cpu", "CPU of all of them, bookmarks included", meter.server * 100, "%")
    for name, took in (("alone", alone), ("beside", beside)):
        yield Figure(f"idle-get-{name}", f"a get {name}, median", statistics.median(took), "ms")
        p99 = took[len(took) * 99 // 100]
        yield Figure(f"idle-get-{name}-p99", f"a get {name}, p99", p99, "ms")
