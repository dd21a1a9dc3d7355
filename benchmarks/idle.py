"""The memory that an idle watcher takes in the server, against an idle bare stream."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import floor
import servers
from contest import Act, Sample, Setting
from fanout import WATCH, watch_request
from unary import create_many
from wire import Wire

from idstatus.v1 import task_service_pb2 as t

WATCHERS = 10_000
_CONNECTIONS = 10
_SETTLING = 0.5


def grown(
    wire: Wire, server: servers.Server, path: str, request: Callable[[], bytes], count: int
) -> float:
    """Open so many streams; return by how many KiB the server has grown for each."""
    before = server.memory
    wire.open(count, lambda connection, _: connection.start(path, request()))
    wire.run(_SETTLING)
    return (server.memory - before) / count / 1024


@contextmanager
def idle(at: Setting, name: str) -> Iterator[tuple[Act, Act]]:
    """Watch a task each; if there is time, all watch one queue of another server, too."""

    def ours(*, each: bool) -> float:
        with (
            servers.idstatus(at.store(), at.server_cores) as server,
            Wire(server.address, _CONNECTIONS) as wire,
        ):
            ids = itertools.cycle(create_many(wire, WATCHERS))
            if not each:
                return grown(wire, server, WATCH, watch_request, WATCHERS)
            return grown(
                wire,
                server,
                WATCH,
                lambda: t.WatchTasksRequest(ids=[next(ids)]).SerializeToString(),
                WATCHERS,
            )

    def ours_all() -> Sample:
        values = {name: ours(each=True)}
        if at.full:
            values[f"{name}-queue"] = ours(each=False)
        return Sample(values)

    def bare() -> Sample:
        with servers.floor(at.server_cores) as server, Wire(server.address, _CONNECTIONS) as wire:
            size = grown(wire, server, floor.STREAM, bytes, WATCHERS)
        return Sample({name: size, f"{name}-queue": size})

    yield ours_all, bare
