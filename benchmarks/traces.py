"""What traces cost: processor time of a server for each call, and bytes that a task takes more.

    .venv/bin/python benchmarks/traces.py

Each is told for a server that traces nothing, one that samples a hundredth, and one that sends
every span away. Processor time depends little on how busy the machine is.
"""

import itertools
import os
import sqlite3
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import grpc
import servers
from unary import CALLERS, CONNECTIONS, CREATE, GET, create_many, new_task
from wire import Wire

from idstatus.v1 import task_service_pb2 as t

ROUNDS, SECONDS = 5, 3.0
ALL: Mapping[str, str] = {}
HUNDREDTH = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}


@contextmanager
def receiver() -> Iterator[str]:
    """Take whatever is sent, and look at none of it."""
    take: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(lambda *_: b"")
    name = "opentelemetry.proto.collector.trace.v1.TraceService"
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Export": take}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop(None).wait()


def cost(wire: Wire, server: servers.Server, path: str, request: Callable[[], bytes]) -> float:
    """Return how many microseconds of processor time a call takes: the median of the rounds."""
    taken = []
    for _ in range(ROUNDS):
        with wire.flood(path, request, CALLERS) as flood:
            wire.run(1.0)
            done, used = flood.done, server.cpu
            wire.run(SECONDS)
            taken.append((server.cpu - used) / (flood.done - done) * 1e6)
    return statistics.median(taken)


def document_size(path: Path) -> float:
    """Return how many bytes the document of a task takes."""
    with closing(sqlite3.connect(path)) as store:
        size: Any = store.execute("SELECT avg(length(doc)) FROM tasks").fetchone()[0]
        return float(size)


def show(title: str, variables: Mapping[str, str], *flags: str) -> None:
    """Print what a server costs that is started so."""
    ours, _ = servers.cores()
    os.environ.update(variables)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "idstatus.db"
        with (
            servers.idstatus(f"sqlite:///{path}", ours, *flags) as server,
            Wire(server.address, CONNECTIONS) as wire,
        ):
            ids = itertools.cycle(create_many(wire, 10_000))
            new = new_task().SerializeToString()
            reading = cost(
                wire, server, GET, lambda: t.GetIdStatusRequest(id=next(ids)).SerializeToString()
            )
            creating = cost(wire, server, CREATE, lambda: new)
        size = document_size(path)
    for name in variables:
        del os.environ[name]
    print(f"{title:12} {reading:5.0f} us a read, {creating:5.0f} us a creation, {size:.0f} bytes")


def main() -> None:
    """Measure all three."""
    with receiver() as url:
        show("no traces", ALL)
        show("a hundredth", HUNDREDTH, "--otlp-endpoint", url)
        show("all", ALL, "--otlp-endpoint", url)


if __name__ == "__main__":
    main()
