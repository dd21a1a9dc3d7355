"""Watches that are opened and cancelled, again and again: what they leave in the server."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import servers
from fanout import WATCH, watch_request
from figure import Figure, Scale
from frames import Call, Connection
from unary import create_many
from wire import Wire

from idstatus.v1 import task_service_pb2 as t

_CONNECTIONS = 4
_AT_ONCE = 500
# After so much of them the memory must not grow any more, but for what is its noise.
_PLATEAU = 0.2
_NOISE = 4.0
_SETTLING = 0.5
_MIB = 1 << 20


def requests(wire: Wire) -> Iterator[bytes]:
    """Return requests for watches of all kinds in turn: of a queue, of tasks, of everything."""
    snapshot = t.WatchTasksRequest(ids=create_many(wire, 10))
    everything = t.WatchTasksRequest(skip_snapshot=True)
    kinds = (watch_request(), snapshot.SerializeToString(), everything.SerializeToString())
    return itertools.cycle(kinds)


def open_and_cancel(wire: Wire, kinds: Iterator[bytes], count: int) -> None:
    """Open so many watches, some at a time; cancel each once it has been sent something."""
    opened: list[tuple[Connection, Call]] = []

    def start(connection: Connection, _: int) -> Call:
        call = connection.start(WATCH, next(kinds))
        opened.append((connection, call))
        return call

    while count > 0:
        wire.open(min(count, _AT_ONCE), start)
        count -= len(opened)
        for connection, call in opened:
            connection.cancel(call)
        opened.clear()
    wire.run(_SETTLING)


def handles(server: servers.Server) -> int:
    """Return how many files and sockets a server has open."""
    return len(list(Path(f"/proc/{server.pid}/fd").iterdir()))


def churn(scale: Scale) -> Iterator[Figure]:
    """Measure memory and handles after none, a fifth and all of them."""
    first = int(scale.cancelled * _PLATEAU)
    rest = scale.cancelled - first
    with (
        servers.idstatus(scale.at.store(), scale.at.server_cores) as server,
        Wire(server.address, _CONNECTIONS) as wire,
    ):
        kinds = requests(wire)
        memory, held = [server.memory], handles(server)
        for count in (first, rest):
            open_and_cancel(wire, kinds, count)
            memory.append(server.memory)
        held = handles(server) - held
    start, plateau, end = (size / _MIB for size in memory)
    what = f"{scale.cancelled:,} watches opened and cancelled"
    yield Figure("churn-start", "memory before", start, "MiB")
    yield Figure("churn-plateau", f"after {first:,} of them", plateau, "MiB")
    yield Figure("churn-growth", f"{what}: memory since those", end - plateau, "MiB", _NOISE)
    yield Figure("churn-handles", "file handles that are left of them", held, "", 0)
